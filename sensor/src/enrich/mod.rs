//! What an event does not carry: its container, its pod, the names of its
//! users, the programs of its parents.
//!
//! Tasks that talk to containerd and to the API server send what they learn
//! down a channel; the capture thread, which owns the caches, takes it between
//! two batches. Nothing on the event's path waits for them.

mod container;
mod lineage;
mod program;
mod users;

pub use container::{Container, ContainerKind, ContainerState, Mount, Owner, Pod};
pub use lineage::{Lineage, comm};
pub use program::Program;
pub use users::Users;
