//! The channel from the tasks to the capture thread.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::mpsc;

use crate::{
    Container, ContainerId, Pod,
    clock::{boot_at, boot_now},
};

/// The source (a runtime or the API server), and the namespace of containerd, that reported a
/// container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Index of the source.
    pub(crate) source: u8,
    /// Index of the namespace; 0 where there are none.
    pub(crate) namespace: u8,
}

/// How much a description has of a container. Where more than one source describes a container, the
/// description that has most counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// Neither name nor image: containerd about a container of Docker.
    Nameless,
    /// What a pod's specification and status have: the API server.
    Pod,
    /// Name, image and labels, from the event of the container's creation: the runtime answers yet.
    Names,
    /// Everything.
    Whole,
}

/// What a task learned. Times are nanoseconds since boot.
#[derive(Debug)]
pub(crate) enum Update {
    /// A source answers.
    SourceUp { source: u8 },
    /// A source does not answer (any more); whether its socket does not exist.
    SourceDown { source: u8, is_absent: bool },
    /// The task has sent all containers of a source, in snapshot `epoch`.
    SnapshotDone { source: u8, epoch: u32 },
    /// These containers are in snapshot `epoch`, and their descriptions have not changed.
    Listed {
        origin: Origin,
        epoch: u32,
        ids: Vec<ContainerId>,
    },
    /// A container is there.
    Container {
        origin: Origin,
        detail: Detail,
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
    /// A source does not know the container.
    Missing { source: u8, id: ContainerId },
    /// A pod as the API server describes it; `key` is the uid as the runtime knows it.
    Pod { key: Box<str>, pod: Box<Pod> },
    /// A pod was deleted from the API server.
    PodGone { key: Box<str> },
}

impl Update {
    /// The whole description of a container, in snapshot `epoch`.
    pub(crate) fn whole(origin: Origin, epoch: u32, container: Container) -> Self {
        Self::Container {
            origin,
            detail: Detail::Whole,
            epoch,
            created: container.created.map_or_else(boot_now, boot_at),
            container: Box::new(container),
        }
    }
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
