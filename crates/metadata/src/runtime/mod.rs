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
/// Longest pause while nobody listens on the socket: a look costs next to nothing, and the first
/// containers come soon after the runtime listens.
const UNHEARD: Duration = Duration::from_millis(500);
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
        let nobody_listens = matches!(error, Error::Absent | Error::Connect(_));
        let longest = if nobody_listens {
            UNHEARD
        } else {
            Duration::MAX
        };
        sleep(backoff.pause().min(longest)).await;
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

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, path::Path, sync::atomic::Ordering};

    use super::*;
    use crate::RuntimeSocket;

    /// How many attempts to connect fail in a minute at the file of a socket.
    async fn failures_in_a_minute(path: &Path, engine: Engine) -> u64 {
        let (updates, _inbox) = Updates::channel().unwrap();
        let options = RuntimeOptions {
            backoff_max: Duration::from_hours(1),
            ..RuntimeOptions::at([RuntimeSocket::required(engine, path)])
        };
        let health = Health::new(&options.sockets, false, Arc::new(|_| {}));
        let counters = Arc::new(Counters::default());
        let task = Task {
            source: 0,
            engine,
            socket: path.to_owned(),
            options: Arc::new(options),
            updates,
            counters: Arc::clone(&counters),
            health: Arc::new(health),
            epoch: AtomicU32::new(0),
        };
        let (_sender, questions) = mpsc::channel(QUESTIONS);
        let _ = tokio::time::timeout(Duration::from_mins(1), run(task, questions)).await;
        counters
            .runtime_connect_failures_total
            .load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_on_which_nobody_listens_is_tried_twice_a_second() {
        let dir = tempfile::tempdir().unwrap();
        for engine in [Engine::Docker, Engine::Containerd] {
            let path = dir.path().join(engine.name());
            drop(UnixListener::bind(&path).unwrap());
            let failures = failures_in_a_minute(&path, engine).await;
            assert!((100..=300).contains(&failures), "{engine:?}: {failures}");
        }
    }
}
