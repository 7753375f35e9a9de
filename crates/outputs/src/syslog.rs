//! The system log: one datagram a line.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use config::Config;
use telemetry::Identity;
use tracing::{error, info};

use super::{
    Batch, DropCause, OutputError, Queue,
    worker::{Deliver, Delivered, Worker, expired, run},
};
use crate::system_log::{SOCKET, Syslog};

/// How long the output retries a line.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts the thread of the syslog output.
pub(super) fn start(
    config: &Config,
    identity: &Arc<Identity>,
    queue: &Arc<Queue>,
) -> Result<Vec<Worker>, OutputError> {
    let ident = &config.sensor.syslog.ident;
    let mut syslog = Syslog::new(Path::new(SOCKET), ident, identity.offset);
    let has_reader = syslog.connect().is_ok();
    if !has_reader {
        // As in Falco, this is no reason not to start: a container has no system log.
        info!(
            "syslog_output: nobody listens at {SOCKET}: its lines are dropped and counted until somebody does"
        );
    }
    let lines = Lines {
        syslog,
        has_reader,
        failing: false,
    };
    let (queue_, identity) = (Arc::clone(queue), Arc::clone(identity));
    let worker = Worker::spawn("out-syslog", queue, move || {
        run(lines, "syslog", &queue_, &identity);
    })?;
    Ok(vec![worker])
}

struct Lines {
    syslog: Syslog,
    /// Whether a log daemon has listened since the start.
    has_reader: bool,
    failing: bool,
}

impl Deliver for Lines {
    fn deliver(&mut self, batch: &Batch, queue: &Queue) -> Delivered {
        let account = queue.account();
        let one = u64::from(batch.count() > 0);
        let mut delivered = 0;
        for (line, priority) in batch.lines() {
            self.syslog.format(line, priority);
            let began = Instant::now();
            loop {
                let sent = self.syslog.send();
                let Err(error) = sent.map(|bytes| {
                    account.wrote(one);
                    account.bytes.fetch_add(bytes as u64, Relaxed);
                }) else {
                    account.healthy.store(true, Relaxed);
                    self.has_reader = true;
                    if std::mem::replace(&mut self.failing, false) {
                        info!("syslog_output: works again");
                    }
                    break;
                };
                if !self.has_reader {
                    account.give_up(DropCause::Undelivered, one);
                    break;
                }
                account.errors.fetch_add(1, Relaxed);
                account.healthy.store(false, Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    error!("syslog_output: {SOCKET}: {error}");
                }
                // A line that is too long for a datagram cannot be sent.
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
