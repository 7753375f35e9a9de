//! What the main thread and the capture thread share about the self-test.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::helper::DIGITS;
use crate::sources::syscall::event::Event;

/// The number of the running test, and the results of earlier tests.
#[derive(Debug, Default)]
pub struct Marker {
    /// The sensor's own process id in the first pid namespace (0: it is not known yet). The helper is
    /// a child of the sensor; nobody tells the sensor the helper's own id there.
    parent: AtomicU64,
    /// The number that the running test awaits (0: none). Only the helper knows this number.
    awaited: AtomicU64,
    /// Tests whose exec came back in time.
    pub passed: AtomicU64,
    /// Tests whose exec did not come back in time.
    pub failed: AtomicU64,
}

impl Marker {
    /// Sets the sensor's own process id in the first pid namespace.
    pub fn set_parent(&self, pid: u32) {
        self.parent.store(pid.into(), Relaxed);
    }

    pub(super) fn expect(&self, number: u64) {
        self.awaited.store(number, Relaxed);
    }

    pub(super) fn is_back(&self) -> bool {
        self.awaited.load(Relaxed) == 0
    }

    /// Whether an event is the awaited exec; if so, the marker awaits it no longer. Any other exec,
    /// even of another child of the sensor, is an ordinary event.
    pub fn take(&self, event: &Event<'_>) -> bool {
        if u64::from(event.task.ppid) != self.parent.load(Relaxed) {
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

/// A number in the form that the helper gets.
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
    fn the_marker_takes_only_the_awaited_number_and_only_once() {
        let marker = Marker::default();
        let record = exec(&digits(7));
        let event = Event::decode(&record).unwrap();
        assert!(!marker.take(&event), "nothing is waited for");
        marker.set_parent(event.task.ppid);
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
        marker.set_parent(event.task.ppid + 1);
        marker.expect(7);
        assert!(!marker.take(&event));
    }
}
