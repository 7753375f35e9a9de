//! The description of a container and of its pod.
//!
//! The tasks make all text in here printable once, when the text arrives; an event only borrows the
//! text.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::ContainerId;

/// Falco's name of a runtime. (An alias, since serde takes a reference for text of its input.)
type RuntimeName = &'static str;

/// All values of [`Container::runtime`].
const RUNTIMES: [&str; 5] = ["docker", "podman", "containerd", "cri-o", "cri"];

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerKind {
    /// A workload's container.
    Container,
    /// A pod's sandbox ("pause").
    Sandbox,
}

/// A mount of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Path on the host.
    pub source: Box<str>,
    /// Path in the container.
    pub dest: Box<str>,
    /// Falco's `mode`: empty for a CRI container.
    pub mode: Box<str>,
    /// Whether the container may write.
    pub read_write: bool,
    /// Mount propagation: `private`, `rslave`, `rshared`.
    pub propagation: Box<str>,
}

/// Ids of a user namespace: `container..container + size` is `host..host + size`
/// outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// First id in the container.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many.
    pub size: u32,
}

/// A container, as its runtime describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Workload or sandbox.
    pub kind: ContainerKind,
    /// Falco's `container.type`: `containerd`, `cri-o`, `docker`, `podman`, …
    #[serde(deserialize_with = "runtime")]
    pub runtime: RuntimeName,
    /// Its name: as the pod's specification has it, `POD` of a sandbox, else the id given to the runtime.
    pub name: Option<Box<str>>,
    /// The image as the pod's author wrote it, with tag and digest.
    pub image: Option<Box<str>>,
    /// Image without tag and digest.
    pub repository: Option<Box<str>>,
    /// Tag of the image.
    pub tag: Option<Box<str>>,
    /// Digest of the image's manifest: `sha256:…`.
    pub digest: Option<Box<str>>,
    /// Id of the image: the digest of its configuration, without `sha256:`.
    pub image_id: Option<Box<str>>,
    /// Whether it is privileged.
    pub privileged: Option<bool>,
    /// Whether it shares the host's network namespace.
    pub host_network: Option<bool>,
    /// Whether it shares the host's pid namespace.
    pub host_pid: Option<bool>,
    /// Whether it shares the host's IPC namespace.
    pub host_ipc: Option<bool>,
    /// What was mounted into it from the host.
    pub mounts: Box<[Mount]>,
    /// Command line of its health check, if it has one; empty if it is switched off. Of Docker and
    /// Podman.
    pub healthcheck: Option<Box<[Box<str>]>>,
    /// When it was created, nanoseconds since the epoch.
    pub created: Option<u64>,
    /// Its labels, sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// Its user namespace's user ids; empty: the host's.
    pub uid_map: Box<[IdMap]>,
    /// Its user namespace's group ids; empty: the host's.
    pub gid_map: Box<[IdMap]>,
    /// Its first process, as the host numbers it, once its task is made.
    pub init: Option<u32>,
    /// Where the runtime mounts its root, as the host sees it.
    pub rootfs: Option<Box<str>>,
    /// The sandbox that it runs in; its own id, if it is one.
    pub sandbox: Option<ContainerId>,
    /// Its pod.
    pub pod: Option<Arc<Pod>>,
}

/// Reads one of [`RUNTIMES`].
fn runtime<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let name = String::deserialize(from)?;
    let known = RUNTIMES.into_iter().find(|known| *known == name);
    known.ok_or_else(|| de::Error::custom(format!("no runtime is named {name:?}")))
}

impl Container {
    /// A container of which only the id is known.
    #[must_use]
    pub fn new(id: ContainerId, runtime: &'static str) -> Self {
        Self {
            id,
            kind: ContainerKind::Container,
            runtime,
            name: None,
            image: None,
            repository: None,
            tag: None,
            digest: None,
            image_id: None,
            privileged: None,
            host_network: None,
            host_pid: None,
            host_ipc: None,
            mounts: Box::default(),
            healthcheck: None,
            created: None,
            labels: Box::default(),
            uid_map: Box::default(),
            gid_map: Box::default(),
            init: None,
            rootfs: None,
            sandbox: None,
            pod: None,
        }
    }

    /// Leaves out labels whose values have more bytes than that.
    pub(crate) fn limit_labels(&mut self, most: usize) {
        if self.labels.iter().any(|(_, value)| value.len() > most) {
            let all = std::mem::take(&mut self.labels).into_iter();
            self.labels = all.filter(|(_, value)| value.len() <= most).collect();
        }
    }
}

/// The owner of a pod: the object that created it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `Deployment`, `DaemonSet`, `Job`, …
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its uid; none of a `Deployment`, which the pod does not name.
    pub uid: Option<Box<str>>,
}

/// What a command asks a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeKind {
    /// Whether it still works.
    Liveness,
    /// Whether it can take requests.
    Readiness,
}

/// A command by which Kubernetes asks a container how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Name of the container in its pod's specification.
    pub container: Box<str>,
    /// Whether kubelet asks if the container lives or if it is ready.
    pub kind: ProbeKind,
    /// The program and its arguments.
    pub command: Box<[Box<str>]>,
}

/// A pod, as its sandbox and the API server describe it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its uid as the runtime knows it; of a static pod the hash of its file.
    pub uid: Box<str>,
    /// Its labels, sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// Its labels in Falco's form, see `k8s.pod.labels`; none if they are not known.
    pub labels_text: Option<Box<str>>,
    /// Chosen annotations, sorted by key; only the API server knows.
    pub annotations: Box<[(Box<str>, Box<str>)]>,
    /// The owner of the pod, a `Deployment` rather than its `ReplicaSet`; only the API server knows.
    pub owner: Option<Owner>,
    /// The owner that the pod itself names, such as a `ReplicaSet`; only the API server knows.
    pub controller: Option<Owner>,
    /// Its service account; only the API server knows.
    pub service_account: Option<Box<str>>,
    /// Its node; only the API server knows.
    pub node: Option<Box<str>>,
    /// Its address; only the API server knows.
    pub ip: Option<Box<str>>,
    /// The probes of its containers that execute a command; only the API server knows.
    pub probes: Option<Box<[Probe]>>,
}

/// The value of a key in labels that are sorted by key.
#[must_use]
pub fn label<'a>(labels: &'a [(Box<str>, Box<str>)], key: &str) -> Option<&'a str> {
    labels
        .binary_search_by(|(have, _)| (**have).cmp(key))
        .ok()
        .map(|at| &*labels[at].1)
}

/// The container of an event, as far as it is known when rules evaluate the event.
#[derive(Clone, Copy, Debug)]
pub enum ContainerState<'a> {
    /// The event happened on the host.
    Host,
    /// The event happened in a container that no runtime described in time.
    Unknown(ContainerId),
    /// The event happened in this container.
    Known(&'a Container),
}
