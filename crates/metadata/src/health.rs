//! State of the tasks: whether each is ready, and notices for the log.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// Something that the operator of the node should read once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// containerd answers.
    ContainerdUp {
        /// On this socket.
        socket: PathBuf,
        /// Containers it has.
        containers: usize,
    },
    /// containerd no longer answers, or cannot be used.
    ContainerdDown {
        /// On this socket.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
    /// None of the sockets exists.
    ContainerdAbsent {
        /// Those that were tried.
        sockets: Vec<PathBuf>,
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
            Self::ContainerdUp { socket, containers } => {
                let socket = socket.display();
                write!(f, "containerd answers on {socket}: {containers} containers")
            }
            Self::ContainerdDown { socket, reason } => {
                write!(f, "containerd on {}: {reason}", socket.display())
            }
            Self::ContainerdAbsent { sockets } => {
                f.write_str(
                    "no containerd socket was found, events of containers have no metadata; tried",
                )?;
                for socket in sockets {
                    write!(f, " {}", socket.display())?;
                }
                f.write_str("; set sensor.containerd.sockets, or sensor.containerd.enabled: false")
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

/// The state of the connection to one containerd socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketHealth {
    /// The socket.
    pub socket: PathBuf,
    /// Whether it answers and all its containers are known.
    pub ready: bool,
    /// Whether the first attempt to connect has ended.
    pub tried: bool,
}

/// The state of all tasks, shared between them and readiness.
pub struct Health {
    containerd: Mutex<Vec<SocketHealth>>,
    kube: Mutex<Option<bool>>,
    notify: Notify,
    announced: Mutex<bool>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("containerd", &self.containerd)
            .field("kube", &self.kube)
            .finish_non_exhaustive()
    }
}

impl Health {
    pub(super) fn new(sockets: &[PathBuf], kube: bool, notify: Notify) -> Self {
        let state = |socket: &PathBuf| SocketHealth {
            socket: socket.clone(),
            ready: false,
            tried: false,
        };
        Self {
            containerd: Mutex::new(sockets.iter().map(state).collect()),
            kube: Mutex::new(kube.then_some(false)),
            notify,
            announced: Mutex::new(false),
        }
    }

    /// The sockets, in the configured order; empty if containerd is turned off.
    #[must_use]
    pub fn containerd(&self) -> Vec<SocketHealth> {
        lock(&self.containerd).clone()
    }

    /// Whether a containerd answers, or the configuration turns containerd off.
    #[must_use]
    pub fn containerd_ready(&self) -> bool {
        let sockets = lock(&self.containerd);
        sockets.is_empty() || sockets.iter().any(|socket| socket.ready)
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

    pub(super) fn set_containerd(&self, source: u8, ready: bool) {
        let mut sockets = lock(&self.containerd);
        if let Some(socket) = sockets.get_mut(usize::from(source)) {
            socket.ready = ready;
            socket.tried = true;
        }
        let absent = sockets.iter().all(|s| s.tried && !s.ready);
        let mut announced = lock(&self.announced);
        if absent && !*announced {
            *announced = true;
            let sockets = sockets.iter().map(|s| s.socket.clone()).collect();
            (self.notify)(Notice::ContainerdAbsent { sockets });
        } else if ready {
            *announced = false;
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
