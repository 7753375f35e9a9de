//! Metadata, which an event does not carry: its container, its pod, the names of its users, the
//! programs of its ancestors.
//!
//! Tasks that talk to container runtimes and to the API server send updates through a channel. The capture
//! thread owns the caches and takes the updates between two batches, so no event waits for a task.

mod backoff;
mod cache;
mod caches;
mod clock;
mod container;
mod container_id;
mod containerd;
mod counters;
mod cri;
mod docker;
mod domains;
pub mod foreign;
mod health;
mod image;
mod kube;
mod kubernetes;
mod labels;
mod names;
mod node;
mod oci;
mod options;
mod processes;
mod runtime;
mod tasks;
mod text;
mod users;

pub use cache::BoundedCache;
pub use caches::{Lookup, Metadata};
pub use clock::{SECOND, boot_now};
pub use container::{
    Container, ContainerKind, ContainerState, IdMap, Mount, Owner, Pod, Probe, ProbeKind, label,
};
pub use container_id::{ContainerId, Runtime, container_id};
pub use counters::{Counters, count};
pub use domains::{Domains, Resolver};
pub use health::{Health, Notice, Notify, SocketHealth, SocketState};
pub use names::{Names, Strings};
pub use node::{CgroupPlace, Node, NodeOptions, Whereabouts};
pub use options::{
    CacheOptions, KubeAccess, KubeOptions, MetadataOptions, RuntimeOptions, RuntimeSocket,
    SOCKETS_MAX,
};
pub use processes::{Process, TICK_NS, process, processes};
pub use runtime::Engine;
pub use tasks::{MetadataTasks, start};
pub use users::{Users, UsersOptions};
