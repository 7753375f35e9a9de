//! The channel from the tasks to the capture thread.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::mpsc;

use crate::{Container, ContainerId, Pod};

/// The containerd, and the containerd namespace, that reported a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Index of the socket.
    pub(crate) source: u8,
    /// Index of the namespace.
    pub(crate) namespace: u8,
}

/// What a task learned. Times are nanoseconds since boot.
#[derive(Debug)]
pub(crate) enum Update {
    /// A containerd answers; `epoch` counts its connections.
    SourceUp { source: u8 },
    /// A containerd does not answer any more.
    SourceDown { source: u8 },
    /// The task has sent all containers of a containerd since connection `epoch` began.
    SnapshotDone { source: u8, epoch: u32 },
    /// A container is there.
    Container {
        origin: Origin,
        epoch: u32,
        created: u64,
        container: Box<Container>,
    },
    /// A container's first process was made.
    Task {
        origin: Origin,
        id: ContainerId,
        init: Option<u32>,
    },
    /// A container was deleted.
    Gone {
        origin: Origin,
        id: ContainerId,
        at: u64,
    },
    /// A containerd does not know the container.
    Missing { source: u8, id: ContainerId },
    /// A pod as the API server describes it; `key` is the uid as the runtime knows it.
    Pod { key: Box<str>, pod: Box<Pod> },
    /// A pod was deleted from the API server.
    PodGone { key: Box<str> },
}

/// Most updates that wait for the capture thread; above this number, senders wait.
const CAPACITY: usize = 1024;

/// The sending side of the channel.
#[derive(Clone)]
pub(crate) struct Updates {
    sender: mpsc::Sender<Update>,
    wakeup: Arc<OwnedFd>,
}

impl Updates {
    /// A channel: its sending and its receiving side.
    pub(crate) fn channel() -> io::Result<(Self, Inbox)> {
        let wakeup = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let inbox = Inbox {
            receiver,
            wakeup: Arc::clone(&wakeup),
        };
        Ok((Self { sender, wakeup }, inbox))
    }

    /// Sends an update, waits while the channel is full, and wakes the capture thread. Drops the
    /// update if the capture thread has ended.
    pub(crate) async fn send(&self, update: Update) {
        if self.sender.send(update).await.is_ok() {
            wake(&self.wakeup);
        }
    }
}

impl Updates {
    /// Whether the capture thread has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

fn wake(wakeup: &OwnedFd) {
    // The write fails only if the counter is full, and then the thread is awake already.
    let _ = rustix::io::write(wakeup, &1u64.to_ne_bytes());
}

/// The receiving side of the channel, which the capture thread owns.
pub(crate) struct Inbox {
    receiver: mpsc::Receiver<Update>,
    wakeup: Arc<OwnedFd>,
}

impl Inbox {
    /// A descriptor that is readable while updates wait.
    pub(crate) fn wakeup(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }

    /// Begins a round of [`Self::next`].
    pub(crate) fn begin(&self) {
        // The read fails if the counter was zero, which is no error.
        let _ = rustix::io::read(&*self.wakeup, &mut [0u8; 8]);
    }

    /// The next update, if one waits.
    pub(crate) fn next(&mut self) -> Option<Update> {
        self.receiver.try_recv().ok()
    }

    /// Ends a round in which updates are left.
    pub(crate) fn again(&self) {
        wake(&self.wakeup);
    }
}
