//! Names of users and groups, of the host and of each container.

use crate::event::ContainerId;

/// Names of users and groups.
#[derive(Debug, Default)]
pub struct Users {}

impl Users {
    /// Name of a user; `<NA>` if it has none.
    #[must_use]
    pub fn user_name(&self, _container: Option<&ContainerId>, uid: u32) -> &str {
        if uid == 0 { "root" } else { "<NA>" }
    }

    /// Name of a group; `<NA>` if it has none.
    #[must_use]
    pub fn group_name(&self, _container: Option<&ContainerId>, gid: u32) -> &str {
        if gid == 0 { "root" } else { "<NA>" }
    }
}
