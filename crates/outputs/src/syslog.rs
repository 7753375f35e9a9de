//! The system log: one datagram a line.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

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
    identity: &Arc<Identity>,
    queue: &Arc<Queue>,
) -> Result<Vec<Worker>, OutputError> {
    let path = SOCKET;
    let mut syslog = Syslog::new(Path::new(path), identity.offset);
    syslog
        .connect()
        .map_err(|source| OutputError::Syslog { path, source })?;
    let lines = Lines {
        syslog,
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
                    if std::mem::replace(&mut self.failing, false) {
                        info!("syslog_output: works again");
                    }
                    break;
                };
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
