//! Sends the log's lines to the system log on a thread of its own, so that a thread that logs never
//! waits.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use falco_rules::Priority;
use outputs::system_log;

/// Most lines in the queue. The queue fills only if the system log is stuck; then further lines are
/// dropped.
const WAITING: usize = 256;

/// An order to the thread.
enum Order {
    /// Send a line.
    Line(Priority, String),
    /// Answer when all earlier orders are done.
    Answer(SyncSender<()>),
}

/// The sending end of the thread's queue. The thread ends when the last one is dropped.
#[derive(Clone, Debug)]
pub(super) struct Syslog {
    orders: SyncSender<Order>,
    ident: Arc<str>,
}

impl Syslog {
    /// Starts the thread, for the socket at a path and lines of this name.
    ///
    /// # Errors
    /// If the kernel refuses another thread.
    pub(super) fn start(path: &'static Path, ident: &str) -> io::Result<Self> {
        let (sender, orders) = sync_channel(WAITING);
        let to = system_log::Syslog::new(path, ident, telemetry::local_offset());
        thread::Builder::new()
            .name("log-syslog".into())
            .spawn(move || work(&orders, to))?;
        Ok(Self {
            orders: sender,
            ident: ident.into(),
        })
    }

    /// The name of the lines.
    pub(super) fn ident(&self) -> &str {
        &self.ident
    }

    /// Puts a line into the queue; drops the line if the queue is full.
    pub(super) fn write(&self, priority: Priority, line: &str) {
        // If the system log takes no lines, no place is left to report the error.
        let _ = self.orders.try_send(Order::Line(priority, line.into()));
    }

    /// Waits until all lines are sent, but not for longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (answer, answered) = sync_channel(1);
        let mut order = Order::Answer(answer);
        while let Err(TrySendError::Full(back)) = self.orders.try_send(order) {
            if Instant::now() >= until {
                return;
            }
            order = back;
            thread::sleep(Duration::from_millis(5));
        }
        let _ = answered.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// Sends lines until the last sending end is dropped. Without a system log, as in most containers,
/// the lines go nowhere.
fn work(orders: &Receiver<Order>, mut to: system_log::Syslog) {
    for order in orders {
        match order {
            Order::Line(priority, line) => {
                to.format(line.as_bytes(), priority);
                // The first attempt may fail only because the system log has started anew.
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

    /// A path for this test alone, which lives as long as the test.
    fn path() -> (tempfile::TempDir, &'static Path) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        (dir, Box::leak(path.into_boxed_path()))
    }

    #[test]
    fn each_line_is_a_datagram_with_its_severity() {
        let (_dir, path) = path();
        let system = UnixDatagram::bind(path).unwrap();
        let log = Syslog::start(path, "falco").unwrap();
        log.write(Priority::Warning, "may be wrong");
        log.write(Priority::Informational, "{\"message\":\"two\\nlines\"}");
        log.flush(Duration::from_secs(10));
        system.set_nonblocking(true).unwrap();
        for (head, end) in [
            ("<12>", " falco: may be wrong"),
            ("<14>", " falco: {\"message\":\"two\\nlines\"}"),
        ] {
            let mut message = [0; 256];
            let length = system.recv(&mut message).unwrap();
            let message = std::str::from_utf8(&message[..length]).unwrap();
            assert!(message.starts_with(head), "{message}");
            assert!(message.ends_with(end), "{message}");
        }
    }

    #[test]
    fn a_system_log_that_starts_later_gets_the_next_line() {
        let (_dir, path) = path();
        let log = Syslog::start(path, "falco").unwrap();
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
        let log = Syslog::start(path, "falco").unwrap();
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
    fn logging_does_not_wait_for_a_system_log_that_is_stuck() {
        let (_dir, path) = path();
        let _system = UnixDatagram::bind(path).unwrap();
        let log = Syslog::start(path, "falco").unwrap();
        let begin = Instant::now();
        for _ in 0..100_000 {
            log.write(Priority::Error, "one of many");
        }
        // Only the thread has waited: one second each time that the queue was full.
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
