//! Containers from containerd's own API.
//!
//! One task for each socket connects, subscribes to events, sends a snapshot of all containers, and
//! then sends each container that containerd creates, updates or deletes, or that an event asks
//! for. The task never calls CRI's `GetContainerEvents`: in containerd 1.7 this call takes events
//! away from the kubelet.

mod describe;
mod lookup;
mod session;
mod snapshot;
mod socket;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use rustc_hash::FxHashSet;
use tokio::{sync::mpsc, time::sleep};

pub(super) use self::socket::sockets;
use self::{session::Session, socket::Socket};
use super::{
    ContainerdOptions, Counters, Health, Notice, RuntimeState,
    backoff::Backoff,
    caches::{Update, Updates},
    counters::count,
    health::Once,
};
use crate::ContainerId;

/// First pause after a failure.
const PAUSE: Duration = Duration::from_millis(50);
/// Most questions that wait for the task.
pub(super) const QUESTIONS: usize = 1024;

/// What the task needs.
pub(super) struct Task {
    pub(super) source: u8,
    pub(super) socket: PathBuf,
    pub(super) options: Arc<ContainerdOptions>,
    pub(super) updates: Updates,
    pub(super) counters: Arc<Counters>,
    pub(super) health: Arc<Health>,
}

/// Why a connection failed or ended.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("socket does not exist")]
    Absent,
    #[error("socket cannot be reached: {0}; may the sensor read its directory?")]
    Unreachable(#[source] std::io::Error),
    #[error("path of the socket is not UTF-8")]
    Path,
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("{what} failed: {message}")]
    Rpc { what: &'static str, message: String },
    #[error("no answer to {0} in time")]
    Timeout(&'static str),
    #[error("event stream ended")]
    StreamEnded,
    #[error("socket was replaced")]
    Replaced,
}

impl Error {
    fn rpc(what: &'static str) -> impl FnOnce(containerd_client::tonic::Status) -> Self {
        move |status| Self::Rpc {
            what,
            message: status.message().to_owned(),
        }
    }
}

/// Runs until the capture thread has ended.
pub(super) async fn run(task: Task, mut questions: mpsc::Receiver<ContainerId>) {
    let mut backoff = Backoff::new(PAUSE, task.options.backoff_max);
    let mut reason = Once::default();
    let epoch = AtomicU32::new(0);
    // Questions without an answer stay for the next connection.
    let mut outstanding = FxHashSet::default();
    let mut is_down = false;
    while !task.updates.is_closed() {
        let error = match connect(&task).await {
            Ok((socket, channel)) => {
                count(&task.counters.containerd_connects_total);
                let session = Session::new(&task, channel, &epoch);
                let (error, was_ready) =
                    session.run(&socket, &mut questions, &mut outstanding).await;
                count(&task.counters.containerd_disconnects_total);
                if was_ready {
                    is_down = false;
                    backoff.reset();
                    reason.reset();
                }
                error
            }
            Err(error) => {
                if !matches!(error, Error::Absent) {
                    count(&task.counters.containerd_connect_failures_total);
                }
                error
            }
        };
        let source = task.source;
        task.health.set_runtime(
            source,
            match error {
                Error::Absent => RuntimeState::Absent,
                _ => RuntimeState::Connecting,
            },
        );
        if !std::mem::replace(&mut is_down, true) {
            task.updates.send(Update::SourceDown { source }).await;
        }
        let text = error.to_string();
        if !matches!(error, Error::Absent) && reason.is_news(&text) {
            task.health.notice(Notice::ContainerdDown {
                socket: task.socket.clone(),
                reason: text,
            });
        }
        sleep(backoff.pause()).await;
    }
}

async fn connect(
    task: &Task,
) -> Result<(Socket, containerd_client::tonic::transport::Channel), Error> {
    let socket = Socket::find(&task.socket)?;
    let channel = socket.connect().await?;
    Ok((socket, channel))
}
