//! Options of enrichment.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Engine, runtime::below};

/// How the sensor reaches container runtimes, and what it asks them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// The sockets, under [`Self::host_root`]. The sensor uses each one that answers: a node can
    /// have Kubernetes' containerd and Docker. Default: the known sockets of all runtimes.
    pub sockets: Vec<RuntimeSocket>,
    /// Prefix of each socket's path: where the host's file system is mounted (`HOST_ROOT`).
    /// Default: nothing.
    pub host_root: Option<PathBuf>,
    /// Namespaces of containerd. Default: `k8s.io`, `moby`, `default`.
    pub namespaces: Vec<String>,
    /// Time limit for one question. Default: 15 s.
    pub timeout: Duration,
    /// Longest pause between two attempts to connect. Default: 5 s.
    pub backoff_max: Duration,
}

impl RuntimeOptions {
    /// The default with these sockets alone.
    #[must_use]
    pub fn at(sockets: impl Into<Vec<RuntimeSocket>>) -> Self {
        Self {
            sockets: sockets.into(),
            ..Self::default()
        }
    }
}

/// A socket of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeSocket {
    /// The runtime.
    pub engine: Engine,
    /// The path on the host.
    pub path: PathBuf,
    /// Whether somebody asked for this socket: otherwise the sensor can do without it.
    pub is_required: bool,
}

impl RuntimeSocket {
    /// A socket that somebody asked for.
    #[must_use]
    pub fn required(engine: Engine, path: impl Into<PathBuf>) -> Self {
        Self {
            engine,
            path: path.into(),
            is_required: true,
        }
    }

    /// Whether the socket is at that path of the host.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let plain = |path: &Path| below(Some(Path::new("/")), path);
        plain(&self.path) == plain(path)
    }

    /// The known sockets of a runtime. A node may have none of these sockets.
    pub fn known(engine: Engine, host_root: Option<&Path>) -> impl Iterator<Item = Self> {
        let sockets = engine.known_sockets(host_root).into_iter();
        sockets.map(move |path| Self {
            engine,
            path,
            is_required: false,
        })
    }
}

/// Most sockets in [`RuntimeOptions::sockets`].
pub const SOCKETS_MAX: usize = 31;

impl Default for RuntimeOptions {
    fn default() -> Self {
        let known = |engine| RuntimeSocket::known(engine, None);
        Self {
            sockets: Engine::ALL.into_iter().flat_map(known).collect(),
            host_root: None,
            namespaces: ["k8s.io", "moby", "default"].map(str::to_owned).to_vec(),
            timeout: Duration::from_secs(15),
            backoff_max: Duration::from_secs(5),
        }
    }
}

/// How to reach the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KubeAccess {
    /// As a pod, if the sensor runs in one (the service account's files exist), otherwise not at
    /// all.
    #[default]
    Auto,
    /// As a pod, with its service account.
    InCluster,
    /// With a kubeconfig file.
    Kubeconfig(PathBuf),
}

/// The watch on the pods of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeOptions {
    /// Whether to use the API server. Without it labels are those of the pod's sandbox at its
    /// creation, and owner, service account, annotations and address are null. Default: on.
    pub enabled: bool,
    /// How to reach the API server.
    pub access: KubeAccess,
    /// Name of this node (`NODE_NAME`). Without a name the sensor asks the API server nothing.
    pub node: Option<String>,
    /// Annotations that the caches keep. Default: none.
    pub annotations: Vec<String>,
    /// Time without any message, bookmarks (one a minute) included, after which the sensor gives a
    /// WATCH up; up to as much again is added by chance. Default: 150 s.
    pub idle_timeout: Duration,
    /// Time limit for a LIST. Default: 60 s.
    pub list_timeout: Duration,
    /// First pause after a failure that concerns this node alone; it doubles up to
    /// [`Self::backoff_max`]. Default: 500 ms.
    pub backoff_min: Duration,
    /// Longest pause after a failure, and the time over which the nodes of a cluster come back to a
    /// server that they had lost. Default: 120 s.
    pub backoff_max: Duration,
    /// Most bytes of a LIST. Default: 64 MiB.
    pub list_bytes: usize,
    /// Most bytes of one object in a watch. Default: 4 MiB.
    pub object_bytes: usize,
}

impl Default for KubeOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            access: KubeAccess::Auto,
            node: None,
            annotations: Vec::new(),
            idle_timeout: Duration::from_secs(150),
            list_timeout: Duration::from_mins(1),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_mins(2),
            list_bytes: 64 << 20,
            object_bytes: 4 << 20,
        }
    }
}

/// Limits of the caches, in entries and in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Most containers. Above this number the cache forgets those that no event named for longest,
    /// and asks for them again when an event does. Default: 16,384.
    pub containers: usize,
    /// Most pods. Default: 8,192.
    pub pods: usize,
    /// How long the caches keep a deleted container or pod for late events. Default: 60 s.
    pub deleted: Duration,
    /// Pause before the sensor asks again for a container that no runtime knew. Default: 30 s.
    pub missing: Duration,
    /// Most bytes of the value of a container's label; longer labels are left out, as in Falco.
    /// Default: 100.
    pub label_max_len: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            containers: 1 << 14,
            pods: 1 << 13,
            deleted: Duration::from_mins(1),
            missing: Duration::from_secs(30),
            label_max_len: 100,
        }
    }
}

/// All options of [`super::start`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataOptions {
    /// Container runtimes.
    pub runtimes: RuntimeOptions,
    /// The API server.
    pub kube: KubeOptions,
    /// The caches.
    pub cache: CacheOptions,
}
