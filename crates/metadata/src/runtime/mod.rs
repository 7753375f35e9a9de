//! Container runtimes: one task for each socket connects, subscribes to events, sends a snapshot of
//! all containers, and then sends each container that the runtime creates or deletes, or that an
//! event of the sensor asks for.
//!
//! ```text
//! engine.rs   the table of runtimes            containerd/   containerd's own API
//! socket.rs   the socket's file                docker/       the API of Docker and Podman
//! serve.rs    a connection, whichever it is    cri/          CRI (v1): CRI-O, cri-dockerd
//! ```

mod engine;
mod serve;
mod socket;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use rustc_hash::FxHashSet;
use tokio::{sync::mpsc, time::sleep};

pub use self::engine::Engine;
use self::{engine::Protocol, serve::serve};
pub(crate) use self::{
    engine::below,
    serve::{Api, Done},
    socket::Socket,
};
use crate::{
    ContainerId, Counters, Health, Notice, RuntimeOptions,
    backoff::Backoff,
    caches::{Update, Updates},
    containerd,
    counters::count,
    cri, docker,
    health::Once,
};

/// First pause after a failure.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest pause while the socket does not exist: a look costs next to nothing, and the runtime's
/// first containers come soon after its socket.
const ABSENT: Duration = Duration::from_millis(500);
/// Most questions that wait for the task.
pub(crate) const QUESTIONS: usize = 1024;

/// What the task needs.
pub(crate) struct Task {
    pub(crate) source: u8,
    pub(crate) engine: Engine,
    pub(crate) socket: PathBuf,
    pub(crate) options: Arc<RuntimeOptions>,
    pub(crate) updates: Updates,
    pub(crate) counters: Arc<Counters>,
    pub(crate) health: Arc<Health>,
    /// The number of the last snapshot, counted over all connections.
    pub(crate) epoch: AtomicU32,
}

/// Why a connection failed or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("socket does not exist")]
    Absent,
    #[error("socket cannot be reached: {0}; may the sensor read its directory?")]
    Unreachable(#[source] std::io::Error),
    #[error("path of the socket is not UTF-8")]
    Path,
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("{what} failed: {message}")]
    Call { what: &'static str, message: String },
    #[error("{what} was refused: {message}")]
    Refused { what: &'static str, message: String },
    #[error("no answer to {0} in time")]
    Timeout(&'static str),
    #[error("event stream ended")]
    StreamEnded,
    #[error("socket was replaced")]
    Replaced,
}

impl Error {
    /// A call that failed.
    pub(crate) fn call(what: &'static str, error: &dyn std::error::Error) -> Self {
        Self::Call {
            what,
            message: chain(error),
        }
    }

    /// A gRPC call that failed.
    pub(crate) fn rpc(what: &'static str) -> impl FnOnce(containerd_client::tonic::Status) -> Self {
        move |status| Self::Call {
            what,
            message: status.message().to_owned(),
        }
    }
}

/// The text of an error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Runs until the capture thread has ended.
pub(crate) async fn run(task: Task, mut questions: mpsc::Receiver<ContainerId>) {
    let mut backoff = Backoff::new(PAUSE, task.options.backoff_max);
    let mut reason = Once::default();
    // Questions without an answer stay for the next connection.
    let mut outstanding = FxHashSet::default();
    let source = task.source;
    // The task tells the caches that the runtime does not answer: whether the socket was absent at
    // that moment.
    let mut was_absent = None;
    while !task.updates.is_closed() {
        let (error, was_ready) = connect(&task, &mut questions, &mut outstanding).await;
        if was_ready {
            was_absent = None;
            backoff.reset();
            reason.reset();
        }
        let is_absent = matches!(error, Error::Absent);
        task.health.disconnected(source, is_absent);
        if was_absent.replace(is_absent) != Some(is_absent) {
            let down = Update::SourceDown { source, is_absent };
            task.updates.send(down).await;
        }
        let text = error.to_string();
        if !is_absent && reason.is_news(&text) {
            task.health.notice(Notice::RuntimeDown {
                engine: task.engine,
                socket: task.socket.clone(),
                reason: text,
            });
        }
        let pause = backoff.pause();
        sleep(if is_absent { pause.min(ABSENT) } else { pause }).await;
    }
}

/// Connects, and serves until the connection ends. Returns why it ended, and whether it was ever
/// ready.
async fn connect(
    task: &Task,
    questions: &mut mpsc::Receiver<ContainerId>,
    outstanding: &mut FxHashSet<ContainerId>,
) -> (Error, bool) {
    let failed = |error| {
        if !matches!(error, Error::Absent) {
            count(&task.counters.runtime_connect_failures_total);
        }
        (error, false)
    };
    let socket = match Socket::find(&task.socket) {
        Ok(socket) => socket,
        Err(error) => return failed(error),
    };
    let ended = match task.engine.protocol() {
        Protocol::Http => match docker::Session::new(task, &socket).await {
            Ok(session) => {
                count(&task.counters.runtime_connects_total);
                serve(&session, &socket, questions, outstanding).await
            }
            Err(error) => return failed(error),
        },
        Protocol::Grpc => match connect_grpc(task, &socket).await {
            Ok(Grpc::Containerd(session)) => {
                count(&task.counters.runtime_connects_total);
                serve(&session, &socket, questions, outstanding).await
            }
            Ok(Grpc::Cri(session)) => {
                count(&task.counters.runtime_connects_total);
                serve(&session, &socket, questions, outstanding).await
            }
            Err(error) => return failed(error),
        },
    };
    count(&task.counters.runtime_disconnects_total);
    ended
}

/// A connection by gRPC.
enum Grpc<'a> {
    Containerd(containerd::Session<'a>),
    Cri(cri::Session<'a>),
}

/// Connects by gRPC, and asks what is at the other end: a socket that the configuration gives for
/// CRI is often containerd's, whose own API says more and has events.
async fn connect_grpc<'a>(task: &'a Task, socket: &Socket) -> Result<Grpc<'a>, Error> {
    let channel = socket.connect().await?;
    if containerd::is_containerd(task, &channel).await? {
        return Ok(Grpc::Containerd(containerd::Session::new(task, channel)));
    }
    cri::Session::new(task, channel).await.map(Grpc::Cri)
}
