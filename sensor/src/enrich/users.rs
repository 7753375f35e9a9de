//! Names of users and groups, of the host and of each container.

/// Names of users and groups.
#[derive(Debug, Default)]
pub struct Users {}
