//! State of the tasks: whether each is ready, and notices for the log.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{Engine, RuntimeSocket};

/// Something that the operator of the node should read once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A container runtime answers.
    RuntimeUp {
        /// Which one.
        engine: Engine,
        /// On this socket.
        socket: PathBuf,
        /// Containers it has.
        containers: usize,
    },
    /// A container runtime no longer answers, or cannot be used.
    RuntimeDown {
        /// Which one.
        engine: Engine,
        /// On this socket.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
    /// None of the sockets exists.
    RuntimesAbsent {
        /// Those that were tried.
        sockets: Vec<PathBuf>,
        /// Whether the configuration asks for one of them.
        is_required: bool,
    },
    /// The pods of this node are known from the API server.
    KubeUp {
        /// How many.
        pods: usize,
    },
    /// The API server cannot be used; owner, service account, address and later
    /// changes of labels are missing.
    KubeDown {
        /// Why.
        reason: String,
    },
    /// A domain name of a rule cannot be resolved.
    DomainUnresolved {
        /// The name.
        name: Box<str>,
        /// Why.
        reason: String,
    },
    /// A domain name can be resolved again.
    DomainResolved {
        /// The name.
        name: Box<str>,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuntimeUp {
                engine,
                socket,
                containers,
            } => {
                let (name, socket) = (engine.name(), socket.display());
                write!(f, "{name} answers on {socket}: {containers} containers")
            }
            Self::RuntimeDown {
                engine,
                socket,
                reason,
            } => write!(f, "{} on {}: {reason}", engine.name(), socket.display()),
            Self::RuntimesAbsent {
                sockets,
                is_required,
            } => {
                f.write_str("no socket of a container runtime was found")?;
                if !is_required {
                    return f.write_str("; a runtime that starts later is found by itself");
                }
                f.write_str(", events of containers have no metadata; tried")?;
                for socket in sockets {
                    write!(f, " {}", socket.display())?;
                }
                Ok(())
            }
            Self::KubeUp { pods } => write!(f, "API server answers: {pods} pods on this node"),
            Self::KubeDown { reason } => write!(
                f,
                "API server: {reason}; pod labels come from the sandbox, owner, service account \
                 and pod IP are null until it answers"
            ),
            Self::DomainUnresolved { name, reason } => write!(
                f,
                "{name}, which a rule mentions, cannot be resolved: {reason}; the sensor tries \
                 again, and keeps the last addresses for a while"
            ),
            Self::DomainResolved { name } => write!(f, "{name} can be resolved"),
        }
    }
}

/// Receives notices, on any thread.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

/// How far the connection to a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// The first attempt to connect has not ended.
    Untried,
    /// There has been no socket at the path so far.
    Absent,
    /// The socket exists, or existed once, and does not answer now.
    Connecting,
    /// The runtime answers, and all its containers are known.
    Connected,
}

/// The state of the connection to one socket of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketHealth {
    /// The runtime.
    pub engine: Engine,
    /// The socket.
    pub socket: PathBuf,
    /// How far the connection is.
    pub state: SocketState,
    /// Whether the configuration asks for this socket.
    pub is_required: bool,
}

/// The state of all tasks, shared between them and readiness.
pub struct Health {
    runtimes: Mutex<Vec<SocketHealth>>,
    kube: Mutex<Option<bool>>,
    notify: Notify,
    announced: Mutex<bool>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("runtimes", &self.runtimes)
            .field("kube", &self.kube)
            .finish_non_exhaustive()
    }
}

impl Health {
    pub(super) fn new(sockets: &[RuntimeSocket], kube: bool, notify: Notify) -> Self {
        let state = |socket: &RuntimeSocket| SocketHealth {
            engine: socket.engine,
            socket: socket.path.clone(),
            state: SocketState::Untried,
            is_required: socket.is_required,
        };
        Self {
            runtimes: Mutex::new(sockets.iter().map(state).collect()),
            kube: Mutex::new(kube.then_some(false)),
            notify,
            announced: Mutex::new(false),
        }
    }

    /// The sockets, in the order in which the sensor tries them; empty if the configuration turns
    /// all runtimes off.
    #[must_use]
    pub fn runtimes(&self) -> Vec<SocketHealth> {
        lock(&self.runtimes).clone()
    }

    /// Whether the runtimes are there that the node has or the configuration asks for.
    #[must_use]
    pub fn runtimes_ready(&self) -> bool {
        self.missing_runtimes().is_none()
    }

    /// What is missing of the runtimes that the node has or the configuration asks for: of each
    /// runtime that the configuration asks for a socket must answer, and if nothing answers, then
    /// no socket may exist that could.
    #[must_use]
    pub fn missing_runtimes(&self) -> Option<String> {
        missing(&lock(&self.runtimes))
    }

    /// Whether the pods of this node are known from the API server; none if the configuration turns
    /// the API server off.
    #[must_use]
    pub fn kube_ready(&self) -> Option<bool> {
        *lock(&self.kube)
    }

    pub(super) fn notice(&self, notice: Notice) {
        (self.notify)(notice);
    }

    pub(super) fn connected(&self, source: u8) {
        if let Some(socket) = lock(&self.runtimes).get_mut(usize::from(source)) {
            socket.state = SocketState::Connected;
            *lock(&self.announced) = false;
        }
    }

    pub(super) fn disconnected(&self, source: u8, is_absent: bool) {
        let mut sockets = lock(&self.runtimes);
        if let Some(socket) = sockets.get_mut(usize::from(source)) {
            let never = matches!(socket.state, SocketState::Untried | SocketState::Absent);
            socket.state = if is_absent && never {
                SocketState::Absent
            } else {
                SocketState::Connecting
            };
        }
        let is_absent = sockets.iter().all(|s| s.state == SocketState::Absent);
        let mut announced = lock(&self.announced);
        if is_absent && !std::mem::replace(&mut *announced, is_absent) {
            (self.notify)(Notice::RuntimesAbsent {
                sockets: sockets.iter().map(|s| s.socket.clone()).collect(),
                is_required: sockets.iter().any(|s| s.is_required),
            });
        }
    }

    pub(super) fn set_kube(&self, ready: Option<bool>) {
        *lock(&self.kube) = ready;
    }
}

/// See [`Health::missing_runtimes`].
fn missing(sockets: &[SocketHealth]) -> Option<String> {
    let is_connected = |s: &&SocketHealth| s.state == SocketState::Connected;
    let answers = |engine| {
        let mut connected = sockets.iter().filter(is_connected);
        connected.any(|s| s.engine == engine)
    };
    let paths = |wanted: &dyn Fn(&SocketHealth) -> bool| {
        let wanted = sockets.iter().filter(|s| wanted(s));
        let paths: Vec<_> = wanted.map(|s| s.socket.display().to_string()).collect();
        paths.join(", ")
    };
    let mut asked_for = sockets.iter().filter(|s| s.is_required);
    if let Some(silent) = asked_for.find(|s| !answers(s.engine)) {
        let of_it = paths(&|s| s.is_required && s.engine == silent.engine);
        return Some(format!(
            "{} does not answer on {of_it}",
            silent.engine.name()
        ));
    }
    let there = paths(&|s| s.state != SocketState::Absent);
    (!there.is_empty() && !sockets.iter().any(|s| is_connected(&s)))
        .then(|| format!("no answer from {there}"))
}

/// A panic of another thread leaves no half-written state here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers the last reason, so that the log has each reason once.
#[derive(Default)]
pub(super) struct Once {
    last: Option<String>,
}

impl Once {
    /// Whether this reason differs from the last one.
    pub(super) fn is_news(&mut self, reason: &str) -> bool {
        let news = self.last.as_deref() != Some(reason);
        if news {
            self.last = Some(reason.to_owned());
        }
        news
    }

    pub(super) fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SocketState::{Absent, Connected, Connecting, Untried};

    fn sockets(sockets: &[(Engine, SocketState, bool)]) -> Vec<SocketHealth> {
        let health = |(number, socket): (usize, &(Engine, SocketState, bool))| SocketHealth {
            engine: socket.0,
            socket: format!("/run/{number}.sock").into(),
            state: socket.1,
            is_required: socket.2,
        };
        sockets.iter().enumerate().map(health).collect()
    }

    #[test]
    fn a_node_is_ready_when_what_it_was_asked_for_is_there() {
        use Engine::{Containerd, Docker};
        for (of, expected) in [
            (&[][..], None),
            (
                &[(Containerd, Absent, false), (Docker, Absent, false)],
                None,
            ),
            (
                &[(Containerd, Absent, false), (Docker, Connecting, false)],
                Some("no answer from /run/1.sock"),
            ),
            (
                &[(Containerd, Untried, false)],
                Some("no answer from /run/0.sock"),
            ),
            (
                &[(Containerd, Connecting, false), (Docker, Connected, false)],
                None,
            ),
            (
                &[(Containerd, Absent, true)],
                Some("containerd does not answer on /run/0.sock"),
            ),
            (
                &[(Containerd, Absent, true), (Containerd, Connected, true)],
                None,
            ),
            (
                &[(Containerd, Connecting, true), (Docker, Connected, false)],
                Some("containerd does not answer on /run/0.sock"),
            ),
        ] {
            assert_eq!(missing(&sockets(of)).as_deref(), expected, "{of:?}");
        }
    }
}
