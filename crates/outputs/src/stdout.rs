//! Standard output: a pipe to a log collector, a file, or a terminal.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
};
use telemetry::Identity;
use tracing::error;

use super::{
    Batch, DropCause, OutputError, Queue,
    terminal::paint,
    worker::{Deliver, Delivered, Worker, expired, run},
};

/// Bytes that a pipe which is ready takes without blocking.
const PIPE: usize = 4096;
/// How often the output tries a stalled pipe again.
const LOOK: Duration = Duration::from_millis(100);

/// Whether standard output is a pipe whose reader has ended, or a terminal that is gone.
pub(super) fn is_unread() -> bool {
    let out = std::io::stdout();
    let mut poll = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut poll, Some(&now)).is_ok_and(|ready| ready > 0)
        && poll[0]
            .revents()
            .intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Starts the thread of the standard output, or of another descriptor.
pub(super) fn start(
    fd: OwnedFd,
    colour: bool,
    identity: &Arc<Identity>,
    queue: &Arc<Queue>,
) -> Result<Vec<Worker>, OutputError> {
    let blocking = rustix::fs::fstat(&fd).is_ok_and(|stat| {
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        kind.is_fifo() || kind.is_socket()
    });
    let stdout = Stdout {
        fd,
        colour,
        chunk: if blocking { PIPE } else { usize::MAX },
        painted: Vec::new(),
        closed: false,
    };
    let (queue_, identity) = (Arc::clone(queue), Arc::clone(identity));
    let worker = Worker::spawn("out-stdout", queue, move || {
        run(stdout, "stdout", &queue_, &identity);
    })?;
    Ok(vec![worker])
}

struct Stdout {
    fd: OwnedFd,
    colour: bool,
    /// Most bytes of one write.
    chunk: usize,
    painted: Vec<u8>,
    closed: bool,
}

impl Deliver for Stdout {
    fn deliver(&mut self, batch: &Batch, queue: &Queue) -> Delivered {
        let account = queue.account();
        if self.closed {
            account.give_up(DropCause::Closed, batch.count());
            return Delivered(batch.count());
        }
        if self.colour {
            self.painted.clear();
            for (line, priority) in batch.lines() {
                paint(line, priority, &mut self.painted);
            }
        }
        let bytes: &[u8] = if self.colour {
            &self.painted
        } else {
            batch.bytes()
        };
        let (written, outcome) = write(self.fd.as_fd(), bytes, self.chunk, queue);
        account.bytes.fetch_add(written as u64, Relaxed);
        let whole = memchr::memchr_iter(b'\n', &bytes[..written]).count() as u64;
        let whole = whole.min(batch.count());
        account.wrote(whole);
        match outcome {
            Ok(()) => {
                account.healthy.store(true, Relaxed);
                return Delivered(whole);
            }
            Err(Errno::TIMEDOUT) => return Delivered(whole),
            Err(error) => {
                account.errors.fetch_add(1, Relaxed);
                account.healthy.store(false, Relaxed);
                self.closed = matches!(error, Errno::PIPE | Errno::BADF);
                // Of a closed pipe the owner of the outputs hears by `Control::is_unread`.
                if error != Errno::PIPE {
                    let for_good = if self.closed { "; it is given up" } else { "" };
                    error!("standard output cannot be written: {error}{for_good}");
                }
            }
        }
        account.give_up(DropCause::Closed, batch.count() - whole);
        Delivered(batch.count())
    }
}

/// Writes all bytes; returns how many were written, and the error that stopped it (`TIMEDOUT`: the
/// deadline for stopping).
fn write(
    fd: std::os::fd::BorrowedFd<'_>,
    bytes: &[u8],
    chunk: usize,
    queue: &Queue,
) -> (usize, Result<(), Errno>) {
    let mut written = 0;
    while written < bytes.len() {
        let end = bytes.len().min(written.saturating_add(chunk));
        if chunk != usize::MAX || written > 0 {
            let mut poll = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
            let timeout = Timespec::try_from(LOOK).ok();
            match rustix::event::poll(&mut poll, timeout.as_ref()) {
                Ok(0) if expired(queue) => return (written, Err(Errno::TIMEDOUT)),
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return (written, Err(error)),
            }
        }
        match rustix::io::write(fd, &bytes[written..end]) {
            Ok(n) => written += n,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if expired(queue) => return (written, Err(Errno::TIMEDOUT)),
            Err(Errno::AGAIN) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
