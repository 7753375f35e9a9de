//! The thread that writes the file.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc::SyncSender},
    time::{Duration, Instant},
};

use telemetry::Identity;
use tracing::{error, info};

use super::{Options, disk::Disk, open, paths::Paths, target::Target};
use crate::{Account, Batch, DropCause, Entry, Queue, internal::Record};

/// Most bytes that the writer takes from the queue at once.
const TAKE: usize = 1 << 20;
/// Bytes after which the writer does not wait for more lines.
const ENOUGH: u64 = 256 << 10;
/// First and longest pause after a failure.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Outcome of the first attempt to open the file.
pub(super) type Opened = SyncSender<Result<(), (io::Error, &'static str)>>;

pub(super) struct Writer {
    target: Target,
    options: Options,
    identity: Arc<Identity>,
    queue: Arc<Queue>,
    account: Arc<Account>,
    disk: Option<Arc<Disk>>,
    last_write: Instant,
    /// Pause after the last failure; none while the file works.
    pause: Option<Duration>,
    failing_since: Option<Instant>,
    deadline: Option<Instant>,
    adopted: bool,
}

impl Writer {
    pub(super) fn new(
        paths: Paths,
        options: Options,
        identity: Arc<Identity>,
        queue: Arc<Queue>,
        disk: Option<Arc<Disk>>,
    ) -> Self {
        let account = queue.account();
        Self {
            target: Target::new(
                paths,
                options.clone(),
                Arc::clone(&identity),
                Arc::clone(&account),
            ),
            options,
            identity,
            queue,
            account,
            disk,
            last_write: Instant::now(),
            pause: None,
            failing_since: None,
            deadline: None,
            adopted: false,
        }
    }

    /// Writes until the queue is closed and all is written, or the deadline has passed.
    pub(super) fn run(mut self, opened: &Opened) {
        let first = self.call(Target::ensure_open);
        if let Err(error) = &first
            && let Some(remedy) = open::remedy(error)
        {
            let copy = io::Error::new(error.kind(), error.to_string());
            // If nobody waits any more, the start went on without the outcome.
            if opened.send(Err((copy, remedy))).is_ok() {
                return;
            }
        }
        // Nobody waits any more: the attempt took too long.
        let _ = opened.try_send(Ok(()));
        if let Err(error) = first {
            self.failed(&error);
        }
        loop {
            self.gather();
            if let Some(deadline) = self.deadline {
                let done = self.target.window.is_empty() && self.pause.is_none();
                if done && self.queue.is_drained() || Instant::now() >= deadline {
                    break;
                }
            }
            let stopping = self.deadline.is_some();
            let outcome = self.call(|target| {
                target.write()?;
                if stopping { target.sync() } else { Ok(()) }
            });
            match outcome {
                Ok(()) => self.succeeded(),
                Err(error) => self.failed(&error),
            }
        }
        self.stop();
    }

    /// Takes waiting lines into the window; waits if there is nothing to write.
    fn gather(&mut self) {
        if let Some(pause) = self.pause {
            let until = Instant::now() + pause;
            let found = self.queue.wait(u64::MAX, Some(until), 0);
            self.note(found.deadline);
            if found.reopen {
                self.reopen();
            }
            if let Some(deadline) = self.deadline {
                // The wait ends at once from now on.
                let rest = deadline.saturating_duration_since(Instant::now());
                std::thread::sleep(rest.min(RETRY.0));
            }
            return;
        }
        if self.deadline.is_some() {
            self.take(1, None);
            return;
        }
        let timer = self.target.next_timer();
        let early = self.last_write + self.options.gather;
        if early > Instant::now() && !self.take(ENOUGH, Some(early)) {
            return;
        }
        if self.target.window.unwritten() == 0 {
            if !self.options.keep_alive && self.queue.is_drained() {
                self.close_idle();
            }
            self.take(1, timer);
        }
    }

    /// Waits for lines and takes them; false when the file must be opened again.
    fn take(&mut self, enough: u64, until: Option<Instant>) -> bool {
        self.adopt();
        let found = self.queue.wait(enough, until, TAKE as u64);
        self.note(found.deadline);
        found.entries.into_iter().for_each(|entry| self.push(entry));
        if found.on_disk
            && let Some(disk) = self.disk.clone()
        {
            disk.read(&self.queue, TAKE)
                .into_iter()
                .for_each(|entry| self.push(entry));
        }
        if found.reopen {
            self.reopen();
        }
        !found.reopen
    }

    fn reopen(&mut self) {
        if let Err(error) = self.call(Target::reopen) {
            self.failed(&error);
        }
    }

    fn push(&mut self, entry: Entry) {
        self.target.window.push(match entry {
            Entry::Batch(batch) => batch,
            Entry::Gap(gap) => {
                let record = Record::gap("file", gap);
                Batch::own(record.line(&self.identity), record.priority)
            }
        });
    }

    /// Takes the lines of a former run from the spool, once the file is open and before any other
    /// line.
    fn adopt(&mut self) {
        if let Some(disk) = &self.disk
            && !std::mem::replace(&mut self.adopted, true)
        {
            let found = self.target.found.take();
            disk.adopt(&self.queue, found.as_deref());
        }
    }

    fn close_idle(&mut self) {
        let closed = self.call(|target| {
            target.sync()?;
            target.close();
            Ok(())
        });
        if let Err(error) = closed {
            self.failed(&error);
        }
    }

    fn note(&mut self, deadline: Option<Instant>) {
        if self.deadline.is_none() {
            self.deadline = deadline;
        }
    }

    /// Calls a function that can block for long.
    fn call<T>(&mut self, action: impl FnOnce(&mut Target) -> io::Result<T>) -> io::Result<T> {
        let began = Instant::now();
        self.account.in_call.store(true, Relaxed);
        let outcome = action(&mut self.target);
        self.account.in_call.store(false, Relaxed);
        self.last_write = Instant::now();
        if let Some(deadline) = self.queue.deadline()
            && self.last_write > deadline
            && self.deadline.is_none_or(|d| d == deadline)
        {
            // The file system caused the delay: once it answers, the writer gets the time for
            // stopping, but only once.
            let grace = deadline.saturating_duration_since(began);
            self.deadline = Some(self.last_write + grace.max(Duration::from_secs(1)));
        }
        outcome
    }

    fn succeeded(&mut self) {
        self.pause = None;
        if let Some(disk) = &self.disk
            && self.target.window.unwritten() == 0
        {
            disk.release();
        }
        self.account.healthy.store(true, Relaxed);
        if let Some(since) = self.failing_since.take() {
            info!(
                "{}: is being written again after {:.1} s",
                self.target.path().display(),
                since.elapsed().as_secs_f64()
            );
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.account.errors.fetch_add(1, Relaxed);
        self.account.healthy.store(false, Relaxed);
        if self.failing_since.is_none() {
            self.failing_since = Some(Instant::now());
            error!(
                "{}: cannot be written: {error}; lines wait{}",
                self.target.path().display(),
                open::remedy(error).map_or(String::new(), |hint| format!("; {hint}"))
            );
        }
        // The next attempt opens the path again and compares the file with the window: it completes
        // a line that a full disk cut, and writes again what a failed sync dropped.
        self.target.close();
        let pause = self.pause.map_or(RETRY.0, |pause| pause * 2);
        self.pause = Some(pause.min(RETRY.1));
    }

    /// Writes the last record, and accounts for the lines that could not be written.
    fn stop(mut self) {
        if self.target.window.unwritten() == 0 {
            if let Err(error) = self.call(Target::write_stop) {
                error!("{}: no stop record: {error}", self.target.path().display());
            }
        } else if self.target.window.written() > 0 {
            // Lines that are confirmed count as written; the error counts below.
            let _ = self.call(|target| {
                target.ensure_open()?;
                target.sync()
            });
        }
        let mut older = self.target.window.drain();
        let kept = |batch: &Batch| {
            let disk = self.disk.as_ref().zip(batch.segment());
            disk.is_some_and(|(disk, segment)| disk.holds(segment))
        };
        // Lines that were read from a segment which still exists need no second segment.
        let at = older.iter().position(kept).unwrap_or(older.len());
        let mut newer = older.split_off(at);
        newer.extend(
            self.queue
                .drain()
                .into_iter()
                .filter_map(|entry| match entry {
                    Entry::Batch(batch) => Some(batch),
                    Entry::Gap(_) => None,
                }),
        );
        newer.retain(|batch| batch.count() > 0 && !kept(batch));
        older.retain(|batch| batch.count() > 0);
        let lost = match &self.disk {
            Some(disk) => disk.keep(older, newer),
            None => older.into_iter().chain(newer).collect(),
        };
        let lost = lost.iter().map(Batch::count).sum();
        self.account.give_up(DropCause::Stopped, lost);
        self.account.keep();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::Config;
    use rustix::io::Errno;

    use super::{super::mount_guard::MountGuard, *};
    use crate::Limit;

    fn queue() -> Arc<Queue> {
        let limit = Limit { lines: 0, bytes: 0 };
        Arc::new(Queue::new(limit, Arc::default()))
    }

    /// Writes `directory/log`; confirms lines only when the test asks for it.
    fn writer(directory: &Path, queue: &Arc<Queue>) -> Writer {
        let tuning = Config::default().sensor.file_output;
        let options = Options {
            mode: tuning.mode,
            owner: None,
            rotate: tuning.rotate,
            sync: Some(Duration::from_hours(1)),
            keep_alive: true,
            gather: Duration::ZERO,
            spool: None,
            memory: 0,
        };
        let paths = Paths::new(directory.join("log")).unwrap();
        let identity = Arc::new(Identity::new(&Config::default()));
        Writer::new(paths, options, identity, Arc::clone(queue), None)
    }

    fn push(queue: &Queue, lines: &[&str]) {
        queue.push(Batch::of(lines));
    }

    #[test]
    fn lines_that_a_failed_sync_has_dropped_are_written_again() {
        for error in [Errno::NOSPC, Errno::DQUOT, Errno::IO] {
            let dir = tempfile::tempdir().unwrap();
            let queue = queue();
            let mut writer = writer(dir.path(), &queue);
            let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();
            push(&queue, &["one\n"]);
            writer.take(1, None);
            writer.call(Target::write).unwrap();
            writer.call(Target::sync).unwrap();
            let confirmed = log();
            push(&queue, &["two\n", "three\n"]);
            writer.take(1, None);
            writer.call(Target::write).unwrap();
            // The client of a full share behaves so: one system call reports the error, and the
            // page that could not be sent is lost.
            let file = std::fs::File::options()
                .write(true)
                .open(dir.path().join("log"));
            file.unwrap().set_len(confirmed.len() as u64 + 6).unwrap();
            writer.failed(&error.into());
            writer.call(Target::write).unwrap();
            writer.call(Target::sync).unwrap();
            assert_eq!(log(), format!("{confirmed}two\nthree\n"));
            let counts = queue.account().counts();
            assert_eq!((counts.written, counts.spooled), (3, 0), "{error}");
            assert!(counts.balanced());
        }
    }

    #[test]
    fn what_a_full_disk_took_is_not_counted_as_lost_at_the_stop() {
        let dir = tempfile::tempdir().unwrap();
        let queue = queue();
        let mut writer = writer(dir.path(), &queue);
        push(&queue, &["one\n", "two\n"]);
        writer.take(1, None);
        writer.call(Target::write).unwrap();
        push(&queue, &["three\n"]);
        writer.take(1, None);
        writer.failed(&Errno::NOSPC.into());
        writer.stop();
        let counts = queue.account().counts();
        assert_eq!((counts.written, counts.dropped_total()), (2, 1));
        assert!(counts.balanced());
    }

    #[test]
    fn lines_that_still_wait_at_the_stop_are_counted_as_lost() {
        let dir = tempfile::tempdir().unwrap();
        let queue = queue();
        let writer = writer(dir.path(), &queue);
        push(&queue, &["one\n", "two\n"]);
        writer.stop();
        let counts = queue.account().counts();
        assert_eq!((counts.written, counts.dropped_total()), (0, 2));
        assert!(counts.balanced());
    }

    #[test]
    fn a_request_to_reopen_accepts_another_place_while_nothing_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let queue = queue();
        let mut writer = writer(dir.path(), &queue);
        writer.target.mount_guard = Some(MountGuard::on_a_share());
        let (opened, _outcome) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || writer.run(&opened));
        push(&queue, &["one\n"]);
        let account = queue.account();
        let eventually = |condition: &dyn Fn() -> bool| {
            let began = Instant::now();
            while !condition() {
                assert!(began.elapsed() < Duration::from_secs(20));
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        eventually(&|| account.errors.load(Relaxed) > 2);
        assert_eq!(account.counts().written, 0);
        queue.reopen();
        eventually(&|| account.healthy.load(Relaxed));
        queue.close(Instant::now() + Duration::from_secs(20));
        thread.join().unwrap();
        assert_eq!(account.counts().written, 1);
    }
}
