//! The bounded queue before each output.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Instant, SystemTime},
};

use super::{Account, Batch, DropCause};

/// How much can wait in a [`Queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Lines (0: any number).
    pub lines: u64,
    /// Bytes (0: any number).
    pub bytes: u64,
}

/// A run of lines that a full queue refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Number of lines.
    pub lines: u64,
    /// When the first of them was refused.
    pub since: SystemTime,
}

/// What waits in a queue.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Lines.
    Batch(Batch),
    /// A place at which lines are missing.
    Gap(Gap),
}

impl Entry {
    /// Number of lines that count.
    #[must_use]
    pub fn lines(&self) -> u64 {
        match self {
            Self::Batch(batch) => batch.count(),
            Self::Gap(_) => 0,
        }
    }
}

#[derive(Debug)]
struct State {
    limit: Limit,
    entries: VecDeque<Entry>,
    lines: u64,
    bytes: u64,
    /// Lines refused since the last accepted ones.
    gap: Option<Gap>,
    /// Number of bytes at which a waiting output wakes up.
    wake_at: u64,
    /// Number of bytes above which the spooler wakes up.
    move_above: u64,
    /// Whether the spooler has taken entries that are not on disk yet.
    moving: bool,
    /// Bytes in the spool directory; they are older than `entries`.
    on_disk: u64,
    reopen: bool,
    deadline: Option<Instant>,
}

/// The result of [`Queue::wait`].
#[derive(Debug)]
pub struct QueueContents {
    /// The oldest entries; empty while older ones are on disk.
    pub entries: Vec<Entry>,
    /// Whether older lines are on disk, which the output must take first.
    pub on_disk: bool,
    /// Whether another thread asked the output to open its file again.
    pub reopen: bool,
    /// When the output must have ended; none while it is in service.
    pub deadline: Option<Instant>,
}

/// A bounded queue of batches with its account. Pushing never waits for the output.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    account: Arc<Account>,
}

impl Queue {
    /// A queue with room for `limit`.
    #[must_use]
    pub fn new(limit: Limit, account: Arc<Account>) -> Self {
        Self {
            state: Mutex::new(State {
                limit,
                entries: VecDeque::new(),
                lines: 0,
                bytes: 0,
                gap: None,
                wake_at: u64::MAX,
                move_above: u64::MAX,
                moving: false,
                on_disk: 0,
                reopen: false,
                deadline: None,
            }),
            changed: Condvar::new(),
            account,
        }
    }

    /// The output's account.
    #[must_use]
    pub fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a batch, or refuses and counts it.
    pub fn push(&self, batch: Batch) {
        let (lines, bytes) = (batch.count(), batch.bytes().len() as u64);
        let mut state = self.lock();
        let full = |used: u64, more: u64, limit: u64, gap: bool| {
            // After the queue was full, a quarter must be free before it takes lines again: a few
            // long gaps are clearer than many short ones.
            let limit = if gap { limit - limit / 4 } else { limit };
            limit > 0 && used > 0 && used + more > limit
        };
        let gap = state.gap.is_some();
        if full(state.lines, lines, state.limit.lines, gap)
            || full(state.bytes, bytes, state.limit.bytes, gap)
        {
            self.account.refuse(lines);
            state
                .gap
                .get_or_insert_with(|| Gap {
                    lines: 0,
                    since: SystemTime::now(),
                })
                .lines += lines;
            return;
        }
        self.account.accept(lines);
        if let Some(gap) = state.gap.take() {
            state.entries.push_back(Entry::Gap(gap));
        }
        state.entries.push_back(Entry::Batch(batch));
        state.lines += lines;
        state.bytes += bytes;
        self.account.memory_bytes.store(state.bytes, Relaxed);
        if state.bytes >= state.wake_at || state.bytes > state.move_above {
            (state.wake_at, state.move_above) = (u64::MAX, u64::MAX);
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits until `enough` bytes are there, another thread asks for something, or `until` has
    /// come; then takes up to `most` bytes. With `most` = 0 it takes nothing, and new lines do not
    /// end the wait: this is a pause.
    pub fn wait(&self, enough: u64, until: Option<Instant>, most: u64) -> QueueContents {
        let mut state = self.lock();
        loop {
            let ready = most > 0 && !state.moving && (state.on_disk > 0 || state.bytes >= enough);
            let now = Instant::now();
            let timed_out = until.is_some_and(|until| until <= now);
            if ready || state.reopen || timed_out || (state.deadline.is_some() && !state.moving) {
                break;
            }
            state.wake_at = enough;
            state = match until {
                Some(until) => {
                    let (state, _) = self
                        .changed
                        .wait_timeout(state, until - now)
                        .unwrap_or_else(PoisonError::into_inner);
                    state
                }
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.wake_at = u64::MAX;
        let on_disk = state.on_disk > 0;
        let entries = if on_disk || state.moving {
            Vec::new()
        } else {
            if state.entries.is_empty()
                && state.deadline.is_some()
                && most > 0
                && let Some(gap) = state.gap.take()
            {
                state.entries.push_back(Entry::Gap(gap));
            }
            self.take(&mut state, most)
        };
        QueueContents {
            entries,
            on_disk,
            reopen: std::mem::take(&mut state.reopen),
            deadline: state.deadline,
        }
    }

    fn take(&self, state: &mut State, most: u64) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < most
            && let Some(entry) = state.entries.pop_front()
        {
            if let Entry::Batch(batch) = &entry {
                bytes += batch.bytes().len() as u64;
                state.lines -= batch.count();
            }
            taken.push(entry);
        }
        state.bytes -= bytes;
        self.account.memory_bytes.store(state.bytes, Relaxed);
        taken
    }

    /// For a spooler: waits until more than `above` bytes wait in memory, and takes the oldest
    /// `most` bytes; the output gets nothing until [`Queue::moved`]. None when the output is to
    /// stop.
    pub fn wait_to_move(&self, above: u64, most: u64) -> Option<Vec<Entry>> {
        let mut state = self.lock();
        loop {
            if state.deadline.is_some() {
                return None;
            }
            if state.bytes > above {
                state.moving = true;
                return Some(self.take(&mut state, most));
            }
            state.move_above = above;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For a spooler: the entries that it took are on disk (or, as `back`, in memory again).
    pub fn moved(&self, on_disk: u64, back: Vec<Entry>) {
        let mut state = self.lock();
        state.moving = false;
        state.on_disk += on_disk;
        for entry in back.into_iter().rev() {
            if let Entry::Batch(batch) = &entry {
                state.bytes += batch.bytes().len() as u64;
                state.lines += batch.count();
            }
            state.entries.push_front(entry);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A former run has left `bytes` in the spool directory, older than all other lines.
    pub fn found_on_disk(&self, bytes: u64) {
        self.lock().on_disk += bytes;
    }

    /// The output has taken `bytes` from the spool directory.
    pub fn taken_from_disk(&self, bytes: u64) {
        let mut state = self.lock();
        state.on_disk = state.on_disk.saturating_sub(bytes);
    }

    /// Asks the output to open its file again.
    pub fn reopen(&self) {
        self.lock().reopen = true;
        self.changed.notify_all();
    }

    /// Sets the deadline: the output ends when it has no more lines, or then.
    pub fn close(&self, deadline: Instant) {
        self.lock().deadline = Some(deadline);
        self.changed.notify_all();
    }

    /// When the output must have ended; none while it is in service.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.lock().deadline
    }

    /// Sleeps until `until`, or until the output is to stop; true if it is to stop.
    pub fn sleep(&self, until: Instant) -> bool {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.deadline.is_some() || now >= until {
                return state.deadline.is_some();
            }
            let (next, _) = self
                .changed
                .wait_timeout(state, until - now)
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
    }

    /// Whether no line waits, in memory or on disk.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let state = self.lock();
        let gap = state.gap.is_some() && state.deadline.is_some();
        state.entries.is_empty() && state.on_disk == 0 && !state.moving && !gap
    }

    /// Takes all entries in memory, even if older lines are on disk; waits for entries that a
    /// spooler has taken.
    pub fn drain(&self) -> Vec<Entry> {
        let mut state = self
            .changed
            .wait_while(self.lock(), |state| state.moving)
            .unwrap_or_else(PoisonError::into_inner);
        self.take(&mut state, u64::MAX)
    }

    /// Drops the entries that still wait in memory; returns the number of lines.
    pub fn abandon(&self) -> u64 {
        let lines = self.drain().iter().map(Entry::lines).sum();
        self.account.give_up(DropCause::Stopped, lines);
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lines(n: u64) -> Batch {
        Batch::of(&vec!["0123456\n"; usize::try_from(n).unwrap()])
    }

    fn queue(lines: u64, bytes: u64) -> Queue {
        Queue::new(Limit { lines, bytes }, Arc::default())
    }

    #[test]
    fn a_full_queue_refuses_and_counts() {
        let queue = queue(10, 0);
        (0..4).for_each(|_| queue.push(lines(4)));
        let counts = queue.account().counts();
        assert_eq!((counts.offered, counts.spooled), (16, 8));
        assert_eq!(counts.dropped[DropCause::Full as usize], 8);
        assert!(counts.balanced());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = queue(0, 64);
        (0..4).for_each(|_| queue.push(lines(4)));
        assert_eq!(queue.account().counts().spooled, 8);
    }

    #[test]
    fn the_gap_stands_where_lines_are_missing() {
        let queue = queue(8, 0);
        (0..3).for_each(|_| queue.push(lines(4)));
        assert_eq!(queue.wait(1, None, u64::MAX).entries.len(), 2);
        queue.push(lines(1));
        let entries = queue.wait(1, None, u64::MAX).entries;
        assert!(matches!(entries[0], Entry::Gap(Gap { lines: 4, .. })));
        assert!(matches!(&entries[1], Entry::Batch(batch) if batch.count() == 1));
    }

    #[test]
    fn a_gap_at_the_end_comes_out_at_the_stop() {
        let queue = queue(4, 0);
        (0..2).for_each(|_| queue.push(lines(4)));
        queue.close(Instant::now());
        assert_eq!(queue.wait(1, None, 1).entries.len(), 1);
        assert!(matches!(
            queue.wait(1, None, 1).entries[..],
            [Entry::Gap(Gap { lines: 4, .. })]
        ));
    }

    #[test]
    fn the_output_gets_nothing_while_older_lines_move_to_disk() {
        let queue = queue(0, 0);
        queue.push(lines(4));
        let taken = queue.wait_to_move(0, 1).expect("in service");
        queue.push(lines(1));
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(queue.wait(1, Some(soon), 100).entries.is_empty());
        queue.moved(0, taken);
        assert_eq!(queue.wait(1, None, 100).entries.len(), 2);
    }

    #[test]
    fn lines_do_not_end_a_pause_and_a_request_does() {
        let queue = queue(0, 0);
        queue.push(lines(1));
        queue.moved(10, Vec::new());
        let pause = Duration::from_millis(50);
        let began = Instant::now();
        queue.wait(1, Some(began + pause), 0);
        assert!(began.elapsed() >= pause);
        queue.reopen();
        assert!(queue.wait(1, None, 0).reopen);
    }

    #[test]
    fn what_is_left_at_the_deadline_is_counted() {
        let queue = queue(0, 0);
        queue.push(lines(3));
        assert_eq!(queue.abandon(), 3);
        let counts = queue.account().counts();
        assert_eq!(counts.dropped[DropCause::Stopped as usize], 3);
        assert!(counts.balanced());
    }
}
