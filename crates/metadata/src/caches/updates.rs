//! The channel from the tasks to the capture thread.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::mpsc;

use crate::{Container, ContainerId, Pod};

/// Which containerd, and which of its namespaces, told of a container.
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
    /// A containerd answers; it counts its connections.
    SourceUp { source: u8 },
    /// A containerd does not answer.
    SourceDown { source: u8 },
    /// All containers that a containerd has were sent since its connection `epoch` began.
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
    /// A containerd was asked and does not know it.
    Missing { source: u8, id: ContainerId },
    /// A pod as the API server has it; `key` is its uid as the runtime knows it.
    Pod { key: Box<str>, pod: Box<Pod> },
    /// A pod was deleted from the API server.
    PodGone { key: Box<str> },
}

/// Updates that may wait for the capture thread; senders wait beyond it.
const CAPACITY: usize = 1024;

/// The tasks' end.
#[derive(Clone)]
pub(crate) struct Updates {
    sender: mpsc::Sender<Update>,
    wakeup: Arc<OwnedFd>,
}

impl Updates {
    /// Both ends.
    pub(crate) fn channel() -> io::Result<(Self, Inbox)> {
        let wakeup = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let inbox = Inbox {
            receiver,
            wakeup: Arc::clone(&wakeup),
        };
        Ok((Self { sender, wakeup }, inbox))
    }

    /// Sends, waits while the channel is full, and wakes the capture thread.
    /// Without a capture thread the update is of no use to anybody.
    pub(crate) async fn send(&self, update: Update) {
        if self.sender.send(update).await.is_ok() {
            wake(&self.wakeup);
        }
    }
}

impl Updates {
    /// Whether the capture thread is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

fn wake(wakeup: &OwnedFd) {
    // The only failure is a full counter, and then the thread is woken already.
    let _ = rustix::io::write(wakeup, &1u64.to_ne_bytes());
}

/// The capture thread's end.
pub(crate) struct Inbox {
    receiver: mpsc::Receiver<Update>,
    wakeup: Arc<OwnedFd>,
}

impl Inbox {
    /// Readable while updates wait.
    pub(crate) fn wakeup(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }

    /// Begins a round of [`Self::next`].
    pub(crate) fn begin(&self) {
        // Nothing to read is no failure: the counter was zero.
        let _ = rustix::io::read(&*self.wakeup, &mut [0u8; 8]);
    }

    /// The next update, if one waits.
    pub(crate) fn next(&mut self) -> Option<Update> {
        self.receiver.try_recv().ok()
    }

    /// Ends a round before all was taken.
    pub(crate) fn again(&self) {
        wake(&self.wakeup);
    }
}
