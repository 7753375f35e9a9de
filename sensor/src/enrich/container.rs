//! What is known of a container and of its pod.
//!
//! All text in here is sanitised when it arrives, once, so that an event only
//! borrows it.

use std::sync::Arc;

use crate::event::ContainerId;

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerKind {
    /// A workload's container.
    Container,
    /// A pod's sandbox ("pause").
    Sandbox,
}

/// A mount of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Path on the host.
    pub source: Box<str>,
    /// Path in the container.
    pub dest: Box<str>,
    /// Kind of file system, Falco's `mode`.
    pub mode: Box<str>,
    /// Whether the container may write.
    pub read_write: bool,
    /// Mount propagation.
    pub propagation: Box<str>,
}

/// A container, as its runtime describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Workload or sandbox.
    pub kind: ContainerKind,
    /// Falco's `container.type`: `containerd`, `cri-o`, `docker`, `podman`, …
    pub runtime: &'static str,
    /// Its name (in a pod: as the pod's specification has it).
    pub name: Option<Box<str>>,
    /// Image as it was asked for, with tag and digest.
    pub image: Option<Box<str>>,
    /// Image without tag and digest.
    pub repository: Option<Box<str>>,
    /// Tag of the image.
    pub tag: Option<Box<str>>,
    /// Digest of the image.
    pub digest: Option<Box<str>>,
    /// Id of the image.
    pub image_id: Option<Box<str>>,
    /// Whether it is privileged.
    pub privileged: Option<bool>,
    /// Whether it shares the host's network namespace.
    pub host_network: Option<bool>,
    /// Whether it shares the host's pid namespace.
    pub host_pid: Option<bool>,
    /// Whether it shares the host's IPC namespace.
    pub host_ipc: Option<bool>,
    /// Its mounts.
    pub mounts: Box<[Mount]>,
    /// When it was created, nanoseconds since the epoch.
    pub created: Option<u64>,
    /// Its labels, sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// Its pod.
    pub pod: Option<Arc<Pod>>,
}

/// Who made a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `Deployment`, `DaemonSet`, `Job`, …
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// A pod, as its sandbox and the API server describe it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its uid.
    pub uid: Box<str>,
    /// Whole id of its sandbox.
    pub sandbox_id: Option<Box<str>>,
    /// Its labels, sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// Its labels in Falco's form, see `k8s.pod.labels`; none if they are not known.
    pub labels_text: Option<Box<str>>,
    /// Chosen annotations, sorted by key.
    pub annotations: Box<[(Box<str>, Box<str>)]>,
    /// Who made it; only the API server knows.
    pub owner: Option<Owner>,
    /// Its service account; only the API server knows.
    pub service_account: Option<Box<str>>,
    /// Its node; only the API server knows.
    pub node: Option<Box<str>>,
    /// Its address.
    pub ip: Option<Box<str>>,
}

/// What is known of an event's container at the moment it is evaluated.
#[derive(Clone, Copy, Debug)]
pub enum ContainerState<'a> {
    /// In no container.
    Host,
    /// In a container of which no runtime told anything (in time).
    Unknown(ContainerId),
    /// In this container.
    Known(&'a Container),
}
