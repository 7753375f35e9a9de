//! The threads of outputs.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use telemetry::Identity;

use super::{Batch, DropCause, Entry, OutputError, Queue, internal::Record};

/// A thread of an output.
#[derive(Debug)]
pub(super) struct Worker {
    thread: JoinHandle<()>,
}

impl Worker {
    pub(super) fn spawn(
        name: &'static str,
        queue: &Queue,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<Self, OutputError> {
        // Health until the first attempt.
        queue
            .account()
            .healthy
            .store(true, std::sync::atomic::Ordering::Relaxed);
        std::thread::Builder::new()
            .name(name.into())
            .spawn(body)
            .map(|thread| Self { thread })
            .map_err(|source| OutputError::Thread { name, source })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until the thread has ended.
    pub(super) fn join(self) {
        // If it panicked, the sensor stops.
        let _ = self.thread.join();
    }

    /// Waits until the thread has ended, at most until `until`; returns whether it has.
    pub(super) fn wait(&self, until: Instant) -> bool {
        while !self.has_ended() {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

/// Hands lines to a receiver other than a file.
pub(super) trait Deliver {
    /// Delivers or gives up each line of a batch, and accounts for the line. Returns early, with
    /// the rest not accounted for, only when `queue`'s deadline has passed.
    fn deliver(&mut self, batch: &Batch, queue: &Queue) -> Delivered;
}

/// Number of lines of a batch that were accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivered(pub(super) u64);

/// Most bytes that an output takes from its queue at once.
const TAKE: u64 = 256 << 10;

/// Delivers lines until the queue is closed and empty, or the deadline has passed.
pub(super) fn run(mut receiver: impl Deliver, name: &str, queue: &Arc<Queue>, identity: &Identity) {
    let account = queue.account();
    loop {
        let found = queue.wait(1, None, TAKE);
        if found.entries.is_empty() && found.deadline.is_some() {
            return;
        }
        for entry in found.entries {
            let batch = match entry {
                Entry::Batch(batch) => batch,
                Entry::Gap(gap) => {
                    let record = Record::gap(name, gap);
                    Batch::own(record.line(identity), record.priority)
                }
            };
            let Delivered(lines) = if expired(queue) {
                Delivered::default()
            } else {
                receiver.deliver(&batch, queue)
            };
            account.give_up(DropCause::Stopped, batch.count().saturating_sub(lines));
        }
        if expired(queue) {
            queue.abandon();
            return;
        }
    }
}

/// Whether the time for stopping is over.
pub(super) fn expired(queue: &Queue) -> bool {
    queue.deadline().is_some_and(|d| Instant::now() >= d)
}
