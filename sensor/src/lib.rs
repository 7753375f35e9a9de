//! A node sensor for Kubernetes: every exec and connect of the node, with its
//! container and pod, as Falco-compatible JSON.
//!
//! Data flows one way, and a module uses only what stands before it:
//!
//! ```text
//! capture → event → enrich → fields → rules → output
//! ```

pub mod agent;
pub mod capture;
pub mod cli;
pub mod config;
pub mod enrich;
pub mod event;
pub mod fields;
pub mod lifecycle;
pub mod logging;
pub mod output;
pub mod rules;
pub mod run;
pub mod self_test;
mod syslog;
pub mod telemetry;
