//! The log's lines for the system log, on a thread of their own: who logs never waits for it.

use std::{
    io,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use falco_rules::Priority;
use outputs::system_log;

/// Lines that may wait. More come only if the system log is stuck, and are dropped.
const WAITING: usize = 256;

/// What the thread is to do.
enum Order {
    /// Send a line.
    Line(Priority, String),
    /// Answer: what was ordered before is done.
    Answer(SyncSender<()>),
}

/// The way to the thread, which ends with the last of these.
#[derive(Clone, Debug)]
pub(super) struct Syslog(SyncSender<Order>);

impl Syslog {
    /// Starts the thread, for the socket at a path.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub(super) fn start(path: &'static Path) -> io::Result<Self> {
        let (sender, orders) = sync_channel(WAITING);
        let to = system_log::Syslog::new(path, telemetry::local_offset());
        thread::Builder::new()
            .name("log-syslog".into())
            .spawn(move || work(&orders, to))?;
        Ok(Self(sender))
    }

    /// Hands a line over.
    pub(super) fn write(&self, priority: Priority, line: &str) {
        // There is nowhere to tell that the system log does not take lines.
        let _ = self.0.try_send(Order::Line(priority, line.into()));
    }

    /// Waits until all lines are sent, but not for longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (answer, answered) = sync_channel(1);
        let mut order = Order::Answer(answer);
        while let Err(TrySendError::Full(back)) = self.0.try_send(order) {
            if Instant::now() >= until {
                return;
            }
            order = back;
            thread::sleep(Duration::from_millis(5));
        }
        let _ = answered.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// Sends lines until nobody can order any more. Without a system log, as in most containers,
/// lines end here.
fn work(orders: &Receiver<Order>, mut to: system_log::Syslog) {
    for order in orders {
        match order {
            Order::Line(priority, line) => {
                to.format(line.as_bytes(), priority);
                // The first attempt may only find out that the system log has started anew.
                let _ = to.send().or_else(|_| to.send());
            }
            Order::Answer(answer) => {
                let _ = answer.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// A path of a test's own, which lives as long as the tests do.
    fn path() -> (tempfile::TempDir, &'static Path) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        (dir, Box::leak(path.into_boxed_path()))
    }

    #[test]
    fn each_line_is_a_datagram_with_its_severity() {
        let (_dir, path) = path();
        let system = UnixDatagram::bind(path).unwrap();
        let log = Syslog::start(path).unwrap();
        log.write(Priority::Warning, "may be wrong");
        log.write(Priority::Informational, "{\"message\":\"two\\nlines\"}");
        log.flush(Duration::from_secs(10));
        system.set_nonblocking(true).unwrap();
        for (head, end) in [
            ("<12>", "]: may be wrong"),
            ("<14>", "]: {\"message\":\"two\\nlines\"}"),
        ] {
            let mut message = [0; 256];
            let length = system.recv(&mut message).unwrap();
            let message = std::str::from_utf8(&message[..length]).unwrap();
            assert!(message.starts_with(head), "{message}");
            assert!(message.ends_with(end), "{message}");
        }
    }

    #[test]
    fn without_a_system_log_lines_end_and_one_that_comes_later_gets_the_next() {
        let (_dir, path) = path();
        let log = Syslog::start(path).unwrap();
        log.write(Priority::Error, "nobody listens");
        log.flush(Duration::from_secs(10));
        let system = UnixDatagram::bind(path).unwrap();
        log.write(Priority::Error, "somebody listens");
        let mut message = [0; 256];
        let length = system.recv(&mut message).unwrap();
        let message = String::from_utf8_lossy(&message[..length]);
        assert!(message.ends_with("somebody listens"), "{message}");
    }

    #[test]
    fn a_system_log_that_starts_anew_gets_the_next_line() {
        let (_dir, path) = path();
        let log = Syslog::start(path).unwrap();
        for line in ["before", "behind"] {
            let system = UnixDatagram::bind(path).unwrap();
            log.write(Priority::Error, line);
            let mut message = [0; 256];
            let length = system.recv(&mut message).unwrap();
            let message = String::from_utf8_lossy(&message[..length]);
            assert!(message.ends_with(line), "{message}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn who_logs_does_not_wait_for_a_system_log_that_is_stuck() {
        let (_dir, path) = path();
        let _system = UnixDatagram::bind(path).unwrap();
        let log = Syslog::start(path).unwrap();
        let begin = Instant::now();
        for _ in 0..100_000 {
            log.write(Priority::Error, "one of many");
        }
        // The thread alone has waited: for a second each time that the queue was full.
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
