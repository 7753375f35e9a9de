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

    /// Whether the runtimes are there that the node has or the configuration asks for: of each
    /// runtime that the configuration asks for a socket answers, and if nothing answers, then no
    /// socket exists that could.
    #[must_use]
    pub fn runtimes_ready(&self) -> bool {
        let sockets = lock(&self.runtimes);
        let is_connected = |s: &SocketHealth| s.state == SocketState::Connected;
        let answers = |engine| {
            sockets
                .iter()
                .any(|s| s.engine == engine && is_connected(s))
        };
        let asked_for = sockets.iter().filter(|s| s.is_required);
        let mut engines = asked_for.map(|s| s.engine);
        let is_absent = |s: &SocketHealth| s.state == SocketState::Absent;
        engines.all(answers) && (sockets.iter().any(is_connected) || sockets.iter().all(is_absent))
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
