//! What can be configured of enrichment.

use std::{path::PathBuf, time::Duration};

/// Where containerd is found and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerdOptions {
    /// Turn it off on nodes without containerd: no event then waits for it. Default: on.
    pub enabled: bool,
    /// Sockets, under [`Self::host_root`]. Each that answers is used: a node can
    /// have Kubernetes' containerd and Docker's. Default: [`KNOWN_SOCKETS`].
    pub sockets: Vec<PathBuf>,
    /// Put before each socket's path; set it where the host's file system is
    /// mounted (`HOST_ROOT`). Default: nothing.
    pub host_root: Option<PathBuf>,
    /// Namespaces of containerd. Default: `k8s.io`, `moby`, `default`.
    pub namespaces: Vec<String>,
    /// How long a question may take. Default: 15 s.
    pub timeout: Duration,
    /// Longest pause between two attempts to connect. Default: 5 s.
    pub backoff_max: Duration,
}

/// Sockets of containerd itself, microk8s, k3s and k0s.
pub const KNOWN_SOCKETS: [&str; 4] = [
    "/run/containerd/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
];

/// Most sockets that can be used.
pub const SOCKETS_MAX: usize = 8;

impl Default for ContainerdOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            sockets: KNOWN_SOCKETS.map(PathBuf::from).to_vec(),
            host_root: None,
            namespaces: ["k8s.io", "moby", "default"].map(str::to_owned).to_vec(),
            timeout: Duration::from_secs(15),
            backoff_max: Duration::from_secs(5),
        }
    }
}

/// Where the API server is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KubeAccess {
    /// As a pod, if this is one (the service account's files are there),
    /// otherwise not at all.
    #[default]
    Auto,
    /// As a pod.
    InCluster,
    /// By a kubeconfig file.
    Kubeconfig(PathBuf),
}

/// The watch on the pods of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeOptions {
    /// Turn it off to ask nothing of the API server: labels then come from the
    /// pod's sandbox as they were at its creation, and owner, service account,
    /// annotations and address are null. Default: on.
    pub enabled: bool,
    /// How to reach it.
    pub access: KubeAccess,
    /// Name of this node (`NODE_NAME`). Without it nothing is asked.
    pub node: Option<String>,
    /// Annotations that are kept. Default: none.
    pub annotations: Vec<String>,
    /// Give a watch up when nothing, not even a bookmark (one a minute), came
    /// for this long. Default: 150 s.
    pub idle_timeout: Duration,
    /// How long a LIST may take. Default: 60 s.
    pub list_timeout: Duration,
    /// First pause after a failure; it doubles up to [`Self::backoff_max`]. Default: 500 ms.
    pub backoff_min: Duration,
    /// Longest pause after a failure. Default: 60 s.
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
            backoff_max: Duration::from_mins(1),
            list_bytes: 64 << 20,
            object_bytes: 4 << 20,
        }
    }
}

/// How much metadata is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Most containers. Beyond it those that no event named for longest are
    /// forgotten, and asked for again. Default: 16,384.
    pub containers: usize,
    /// Most pods. Default: 8,192.
    pub pods: usize,
    /// How long a deleted container or pod is still known, for late events. Default: 60 s.
    pub deleted: Duration,
    /// After what time a container that nobody knew is asked for again. Default: 30 s.
    pub missing: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            containers: 1 << 14,
            pods: 1 << 13,
            deleted: Duration::from_mins(1),
            missing: Duration::from_secs(30),
        }
    }
}

/// All that [`super::start`] needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataOptions {
    /// containerd.
    pub containerd: ContainerdOptions,
    /// The API server.
    pub kube: KubeOptions,
    /// The caches.
    pub cache: CacheOptions,
}
