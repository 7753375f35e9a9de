//! The system log: one datagram a line.

use std::{
    io::{self, Write},
    os::unix::net::UnixDatagram,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use time::OffsetDateTime;
use tracing::{error, info};

use super::{
    Batch, DropCause, Identity, OutputError, Queue,
    worker::{Deliver, Delivered, Worker, expired, run},
};

/// Where the system log listens.
pub(super) const SOCKET: &str = "/dev/log";
/// Facility `user`, as Falco.
const FACILITY: u8 = 1;
/// How long a line is tried.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts the thread of the syslog output.
pub(super) fn start(
    path: &'static str,
    identity: &Arc<Identity>,
    queue: &Arc<Queue>,
) -> Result<Vec<Worker>, OutputError> {
    let mut syslog = Syslog {
        path,
        socket: None,
        identity: Arc::clone(identity),
        failing: false,
        message: Vec::new(),
    };
    syslog
        .connect()
        .map_err(|source| OutputError::Syslog { path, source })?;
    let (queue_, identity) = (Arc::clone(queue), Arc::clone(identity));
    let worker = Worker::spawn("out-syslog", queue, move || {
        run(syslog, "syslog", &queue_, &identity);
    })?;
    Ok(vec![worker])
}

struct Syslog {
    path: &'static str,
    socket: Option<UnixDatagram>,
    identity: Arc<Identity>,
    failing: bool,
    message: Vec<u8>,
}

impl Syslog {
    fn connect(&mut self) -> io::Result<&UnixDatagram> {
        if self.socket.is_none() {
            let socket = UnixDatagram::unbound()?;
            socket.connect(Path::new(self.path))?;
            socket.set_write_timeout(Some(Duration::from_secs(1)))?;
            self.socket = Some(socket);
        }
        self.socket
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// `<14>Nov 21 05:01:46 sensor[42]: text`
    fn format(&mut self, line: &[u8], priority: u8) {
        let t = OffsetDateTime::from(SystemTime::now()).to_offset(self.identity.offset);
        let month = &t.month().to_string()[..3];
        self.message.clear();
        // Writing to memory cannot fail.
        let _ = write!(
            self.message,
            "<{}>{month} {:2} {:02}:{:02}:{:02} sensor[{}]: ",
            FACILITY * 8 + priority.min(7),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            std::process::id()
        );
        self.message.extend_from_slice(line.trim_ascii_end());
    }

    fn send(&mut self) -> io::Result<()> {
        let message = std::mem::take(&mut self.message);
        let sent = self.connect().and_then(|socket| socket.send(&message));
        self.message = message;
        if sent.is_err() {
            self.socket = None;
        }
        sent.map(drop)
    }
}

impl Deliver for Syslog {
    fn deliver(&mut self, batch: &Batch, queue: &Queue) -> Delivered {
        let account = queue.account();
        let one = u64::from(batch.count() > 0);
        let mut delivered = 0;
        for (line, priority) in batch.lines() {
            self.format(line, priority);
            let began = Instant::now();
            loop {
                let Err(error) = self.send() else {
                    account.wrote(one);
                    account.bytes.fetch_add(self.message.len() as u64, Relaxed);
                    account.healthy.store(true, Relaxed);
                    if std::mem::replace(&mut self.failing, false) {
                        info!("syslog_output: works again");
                    }
                    break;
                };
                account.errors.fetch_add(1, Relaxed);
                account.healthy.store(false, Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    error!("syslog_output: {}: {error}", self.path);
                }
                // A line that is too long for a datagram never gets through.
                if error.raw_os_error() == Some(libc::EMSGSIZE) {
                    account.give_up(DropCause::Rejected, one);
                    break;
                }
                if expired(queue) {
                    return Delivered(delivered);
                }
                if began.elapsed() >= PATIENCE {
                    account.give_up(DropCause::Undelivered, one);
                    break;
                }
                if queue.sleep(Instant::now() + PAUSE) {
                    std::thread::sleep(PAUSE / 4);
                }
            }
            delivered += one;
        }
        Delivered(delivered)
    }
}
