//! A node sensor for Kubernetes: every exec and connect of the node, with its
//! container and pod, as Falco-compatible JSON.

pub mod app;
pub mod cases;
pub mod cli;
pub mod lifecycle;
pub mod logging;
pub mod observers;
pub mod reports;
pub mod sources;
pub mod takeover;
pub mod watch;
