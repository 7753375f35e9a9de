//! Everything an accessor may look at for one event.

use bumpalo::Bump;

use crate::{
    enrich::{ContainerState, Program, Users},
    event::{ContainerId, Event},
};

/// One event with what is known about it, borrowed for as long as it is
/// evaluated and formatted.
pub struct Context<'a> {
    /// The event.
    pub event: &'a Event<'a>,
    /// Memory for strings made for this event; reset before the next one.
    pub arena: &'a Bump,
    /// `evt.num`: number of the event since the sensor started.
    pub number: u64,
    /// When it happened, nanoseconds since the epoch.
    pub time: u64,
    /// Added to nanoseconds since boot gives nanoseconds since the epoch.
    pub boot_to_utc: i64,
    /// Name of the node.
    pub hostname: &'a str,
    /// Container of the process.
    pub container: ContainerState<'a>,
    /// The program that the process runs (of an exec: the new one; of a failed
    /// exec or a connect: the one that called), if it is known.
    pub program: Option<Program<'a>>,
    /// The programs of the ancestors, nearest first, as far as they are known.
    pub ancestors: &'a [Option<Program<'a>>],
    /// Names of users and groups.
    pub users: &'a Users,
}

impl<'a> Context<'a> {
    /// Id of the container; none for the host.
    #[must_use]
    pub fn container_id(&self) -> Option<&ContainerId> {
        match &self.container {
            ContainerState::Host => None,
            ContainerState::Unknown(id) => Some(id),
            ContainerState::Known(container) => Some(&container.id),
        }
    }

    /// Bytes from outside as text, see [`super::sanitize`].
    pub fn text(&self, bytes: &'a [u8]) -> &'a str {
        super::sanitize(bytes, self.arena)
    }
}
