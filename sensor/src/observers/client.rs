//! One observer, as the thread of all observers sees it. No call here waits.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, TryRecvError, sync_channel},
    },
    time::Instant,
};

use rustix::{
    event::{EventfdFlags, PollFlags, eventfd},
    io::read,
};

use super::{GREETING, GREETING_MAX, Greeting, VERSION};
use crate::sources::syscall::{
    capture::Watched,
    recording::{Captured, MAGIC, Recorded, Recorder, append_block},
};

/// Most chunks that wait for an observer, of at most some hundred KiB each.
const WAITING: usize = 16;
/// Bytes that wait for an observer's socket above which no further chunk is taken.
const OUT: usize = 1 << 20;

/// What the thread does for an observer.
pub(super) enum Client {
    /// Waits for the first message until that time.
    Greeting(UnixStream, Vec<u8>, Instant),
    /// Passes the recording on.
    Watching(Box<Watching>),
}

pub(super) struct Watching {
    stream: UnixStream,
    chunks: Receiver<Vec<u8>>,
    /// The eventfd that the recorder writes to. The recorder ends when the eventfd is gone.
    wakeup: Arc<OwnedFd>,
    recorded: Arc<Recorded>,
    out: Vec<u8>,
    /// Bytes of `out` that the socket has taken.
    taken: usize,
    /// Whether no chunk follows.
    ended: bool,
}

/// What becomes of an observer.
pub(super) enum Next {
    /// The thread goes on with it.
    Stays(Client),
    /// It has greeted: make a recorder for it.
    Begins(UnixStream, Option<Watched>),
    /// It is gone, or refused. The number of events that it lost.
    Gone(u64),
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let until = Instant::now() + GREETING;
        Ok(Self::Greeting(stream, Vec::new(), until))
    }

    /// Sends the greeting, and makes the recorder.
    pub(super) fn begin(
        stream: UnixStream,
        captured: Captured,
        recorder: impl FnOnce(std::sync::mpsc::SyncSender<Vec<u8>>) -> Recorder,
    ) -> io::Result<(Self, Recorder)> {
        let greeting = Greeting {
            version: VERSION,
            captured,
            ..Greeting::default()
        };
        let mut out = greeting.line()?;
        out.extend_from_slice(MAGIC);
        let wakeup = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let wakeup = Arc::new(wakeup);
        let (sender, chunks) = sync_channel(WAITING);
        let recorder = recorder(sender).waking(&wakeup);
        let watching = Watching {
            stream,
            chunks,
            wakeup,
            recorded: recorder.recorded(),
            out,
            taken: 0,
            ended: false,
        };
        Ok((Self::Watching(Box::new(watching)), recorder))
    }

    /// What to wait for.
    pub(super) fn awaits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let (stream, wakeup) = match self {
            Self::Greeting(stream, ..) => ((stream.as_fd(), PollFlags::IN), None),
            Self::Watching(watching) => {
                let has_out = watching.taken < watching.out.len();
                let to_write = if has_out {
                    PollFlags::OUT
                } else {
                    PollFlags::empty()
                };
                let has_room = watching.out.len() < OUT && !watching.ended;
                let wakeup = has_room.then(|| (watching.wakeup.as_fd(), PollFlags::IN));
                ((watching.stream.as_fd(), PollFlags::IN | to_write), wakeup)
            }
        };
        std::iter::once(stream).chain(wakeup)
    }

    /// The time at which the thread must look at the observer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Greeting(.., until) => Some(*until),
            Self::Watching(_) => None,
        }
    }

    /// Events that are lost for the observer so far.
    pub(super) fn lost(&self) -> u64 {
        match self {
            Self::Greeting(..) => 0,
            Self::Watching(watching) => watching.recorded.lost.load(Relaxed),
        }
    }

    /// Does what can be done now.
    pub(super) fn step(self) -> Next {
        match self {
            Self::Greeting(stream, line, until) => greeting(stream, line, until),
            Self::Watching(mut watching) => {
                let lost = watching.recorded.lost.load(Relaxed);
                match watching.step() {
                    Ok(true) => Next::Stays(Self::Watching(watching)),
                    // An observer that has gone knows the reason.
                    Ok(false) | Err(_) => Next::Gone(lost),
                }
            }
        }
    }
}

/// Refuses an observer, with the reason.
pub(super) fn refuse(mut stream: &UnixStream, why: &str) {
    let greeting = Greeting {
        version: VERSION,
        error: Some(why.to_owned()),
        ..Greeting::default()
    };
    // Nothing has been written before, so the socket has room. An observer that has gone misses
    // nothing.
    let _ = greeting.line().and_then(|line| stream.write_all(&line));
}

fn greeting(stream: UnixStream, mut line: Vec<u8>, until: Instant) -> Next {
    let mut bytes = [0; 512];
    let wrong = loop {
        match (&stream).read(&mut bytes) {
            Ok(0) => break "the connection ended".to_owned(),
            Ok(read) => line.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if Instant::now() < until {
                    return Next::Stays(Client::Greeting(stream, line, until));
                }
                break "no line came in time".to_owned();
            }
            Err(error) => break error.to_string(),
        }
        if let Some(end) = memchr::memchr(b'\n', &line) {
            match serde_json::from_slice::<Greeting>(&line[..end]) {
                Ok(theirs) if theirs.version == VERSION => {
                    let watched = theirs.wants.as_ref().map(Watched::from);
                    return Next::Begins(stream, watched);
                }
                Ok(theirs) => {
                    let version = theirs.version;
                    let text = format!("this sensor speaks version {VERSION}, and not {version}");
                    refuse(&stream, &text);
                    return Next::Gone(0);
                }
                Err(error) => break error.to_string(),
            }
        }
        if line.len() > GREETING_MAX {
            break format!("a line of more than {GREETING_MAX} bytes");
        }
    };
    refuse(&stream, &format!("no greeting: {wrong}"));
    Next::Gone(0)
}

impl Watching {
    /// Takes chunks, and writes what the socket takes. Returns false at the end.
    fn step(&mut self) -> io::Result<bool> {
        // An observer says nothing after its greeting; the read returns nothing when it has gone.
        match self.stream.read(&mut [0; 16]) {
            Err(error) if is_later(&error) => {}
            Ok(_) => return Ok(false),
            Err(error) => return Err(error),
        }
        loop {
            self.take();
            if self.taken == self.out.len() {
                return Ok(!self.ended);
            }
            match self.stream.write(&self.out[self.taken..]) {
                Ok(0) => return Ok(false),
                Ok(written) => self.taken += written,
                Err(error) if is_later(&error) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self) {
        if self.taken == self.out.len() {
            self.out.clear();
            self.taken = 0;
        }
        while self.out.len() < OUT && !self.ended {
            match self.chunks.try_recv() {
                Ok(chunk) => append_block(&chunk, &mut self.out),
                Err(TryRecvError::Disconnected) => self.ended = true,
                Err(TryRecvError::Empty) => {
                    // Reset first and look again: the recorder writes after it has sent.
                    let mut count = [0; 8];
                    if read(&*self.wakeup, &mut count).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
