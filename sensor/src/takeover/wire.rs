//! Lines of JSON over a unix socket.

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// Most bytes of a message: the events around the takeover of a very busy node.
const MOST: usize = 256 << 20;
/// Longest time that the other side may let a message wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most descriptors of one message.
const DESCRIPTORS: usize = 2;

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    received: Vec<u8>,
    /// Bytes of `received` that have no newline.
    searched: usize,
}

impl Wire {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            received: Vec::new(),
            searched: 0,
        })
    }

    /// Sends a message.
    pub(super) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        self.stream.write_all(&line(message)?)
    }

    /// Sends a message with copies of descriptors.
    pub(super) fn send_with(
        &mut self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let line = line(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many descriptors"));
        }
        let sent = sendmsg(
            &self.stream,
            &[IoSlice::new(&line)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        self.stream.write_all(&line[sent..])
    }

    /// Receives a message; none if none has come until then.
    ///
    /// # Errors
    /// If the other side has ended, or says what this version does not know.
    pub(super) fn receive<T: DeserializeOwned>(&mut self, until: Instant) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(Some(message));
            }
            let left = until.saturating_duration_since(Instant::now());
            // Zero would mean to wait without end.
            let left = left.max(Duration::from_micros(100));
            self.stream.set_read_timeout(Some(left))?;
            let mut bytes = vec![0; 64 << 10];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.received.extend_from_slice(&bytes[..n]),
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error),
            }
            if self.received.len() > MOST {
                return Err(io::Error::other("the message has no end"));
            }
            if Instant::now() >= until {
                return self.next();
            }
        }
    }

    /// Receives a message and the descriptors that come with it.
    pub(super) fn receive_with<T: DeserializeOwned>(&mut self) -> io::Result<(T, Vec<OwnedFd>)> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.stream,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        self.received.extend_from_slice(&bytes[..received.bytes]);
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let message = self.receive(Instant::now() + PATIENCE)?;
        let message = message.ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))?;
        Ok((message, descriptors))
    }

    /// Whether the other side has ended.
    pub(super) fn has_ended(&self) -> bool {
        let mut descriptors = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let now = Timespec::default();
        poll(&mut descriptors, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// The first whole message that was received.
    fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(at) = memchr::memchr(b'\n', &self.received[self.searched..]) else {
            self.searched = self.received.len();
            return Ok(None);
        };
        let rest = self.received.split_off(self.searched + at + 1);
        let line = std::mem::replace(&mut self.received, rest);
        self.searched = 0;
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

fn line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    fn pair() -> (Wire, Wire) {
        let (one, other) = UnixStream::pair().unwrap();
        (Wire::new(one).unwrap(), Wire::new(other).unwrap())
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn messages_come_whole_and_in_order_and_waiting_has_a_limit() {
        let (mut one, mut other) = pair();
        assert_eq!(other.receive::<u32>(soon()).unwrap(), None);
        one.stream.write_all(b"1\n2").unwrap();
        assert_eq!(other.receive::<u32>(soon()).unwrap(), Some(1));
        assert_eq!(other.receive::<u32>(soon()).unwrap(), None);
        one.stream.write_all(b"3\n").unwrap();
        assert_eq!(other.receive::<u32>(soon()).unwrap(), Some(23));
        assert!(!other.has_ended());
        drop(one);
        assert!(other.has_ended());
        let error = other.receive::<u32>(soon()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_was_said_before_the_end_is_heard() {
        let (mut one, mut other) = pair();
        one.send(&7).unwrap();
        drop(one);
        assert_eq!(other.receive::<u32>(soon()).unwrap(), Some(7));
        assert!(other.receive::<u32>(soon()).is_err());
    }

    #[test]
    fn descriptors_come_with_their_message() {
        let (mut one, mut other) = pair();
        let file = std::fs::File::open("/dev/null").unwrap();
        one.send_with(&5, &[file.as_fd()]).unwrap();
        let (message, descriptors) = other.receive_with::<u32>().unwrap();
        assert_eq!((message, descriptors.len()), (5, 1));
    }
}
