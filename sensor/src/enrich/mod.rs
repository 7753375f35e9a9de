//! What an event does not carry: its container, its pod, the names of its
//! users, the programs of its parents.
//!
//! Tasks that talk to containerd and to the API server send what they learn
//! down a channel; the capture thread, which owns the caches, takes it between
//! two batches. Nothing on the event's path waits for them.

mod backoff;
mod cache;
mod clock;
mod container;
mod containerd;
mod counters;
pub mod foreign;
mod health;
mod hold;
mod image;
mod kube;
mod labels;
mod lineage;
mod lookups;
mod metadata;
mod oci;
mod options;
mod program;
mod program_reader;
mod tasks;
mod text;
mod users;

pub use cache::BoundedCache;
pub use clock::boot_now;
pub use container::{Container, ContainerKind, ContainerState, IdMap, Mount, Owner, Pod, label};
pub use counters::Counters;
pub use health::{Health, Notice, Notify, SocketHealth};
pub use hold::{Hold, HoldOptions, HoldOutcome, HoldStatistics, Released};
pub use lineage::{Lineage, comm};
pub use lookups::Lookups;
pub use metadata::{Lookup, Metadata};
pub use options::{
    CacheOptions, ContainerdOptions, KNOWN_SOCKETS, KubeAccess, KubeOptions, MetadataOptions,
    SOCKETS_MAX,
};
pub use program::Program;
pub use tasks::{MetadataTasks, start};
pub use users::{Users, UsersOptions};
