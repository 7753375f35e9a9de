//! What the main thread and the capture thread both know of the test.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::helper::DIGITS;
use crate::sources::syscall::event::Event;

/// The number that is waited for, and what came of earlier ones.
#[derive(Debug, Default)]
pub struct Marker {
    /// Process id of the helper (0: there is none).
    pid: AtomicU64,
    /// Number that is waited for (0: none). Whoever knows it is the helper.
    awaited: AtomicU64,
    /// Tests whose exec came back in time.
    pub passed: AtomicU64,
    /// Tests whose exec did not.
    pub failed: AtomicU64,
}

impl Marker {
    /// The helper's process id, if there is a helper.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        u32::try_from(self.pid.load(Relaxed))
            .ok()
            .filter(|pid| *pid != 0)
    }

    pub(super) fn set_pid(&self, pid: u32) {
        self.pid.store(pid.into(), Relaxed);
    }

    pub(super) fn expect(&self, number: u64) {
        self.awaited.store(number, Relaxed);
    }

    pub(super) fn is_back(&self) -> bool {
        self.awaited.load(Relaxed) == 0
    }

    /// Whether an event is the exec that is waited for; then it is not waited for any more.
    /// Any other exec, also one of a process that merely has the helper's id, is an event like
    /// any other.
    pub fn take(&self, event: &Event<'_>) -> bool {
        if u64::from(event.task.tgid) != self.pid.load(Relaxed) {
            return false;
        }
        let number = event.exec().and_then(|exec| exec.argv.iter().nth(2));
        let awaited = self.awaited.load(Relaxed);
        let is_it = awaited != 0 && number.is_some_and(|text| text == digits(awaited).as_bytes());
        if is_it {
            self.awaited.store(0, Relaxed);
        }
        is_it
    }
}

/// A number as the helper gets it.
pub(super) fn digits(number: u64) -> String {
    format!("{number:0DIGITS$x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::syscall::event::builder::RecordBuilder;

    fn exec(number: &str) -> Vec<u8> {
        RecordBuilder::exec("/sensor", &["sensor", "--self-test-helper", number]).build()
    }

    #[test]
    fn only_the_number_that_is_waited_for_is_taken_and_only_once() {
        let marker = Marker::default();
        let record = exec(&digits(7));
        let event = Event::decode(&record).unwrap();
        assert!(!marker.take(&event), "nothing is waited for");
        marker.set_pid(event.task.tgid);
        marker.expect(8);
        assert!(!marker.take(&event), "another number");
        marker.expect(7);
        assert!(marker.take(&event));
        assert!(marker.is_back());
        assert!(!marker.take(&event), "it is taken once");
    }

    #[test]
    fn another_process_is_not_the_helper() {
        let marker = Marker::default();
        let record = exec(&digits(7));
        let event = Event::decode(&record).unwrap();
        marker.set_pid(event.task.tgid + 1);
        marker.expect(7);
        assert!(!marker.take(&event));
    }
}
