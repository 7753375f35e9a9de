//! What the sensor tells about itself: log, metrics, health, losses.
//!
//! ```text
//! event path ──▶ atomic counters ◀── render ◀── GET /metrics
//!                      ▲──── snapshot, drop monitor ──▶ records for the stream
//! ```

mod caches;
pub mod catalog;
mod counters;
mod drops;
mod exposition;
mod groups;
mod health;
mod hub;
mod log;
#[cfg(test)]
mod monitoring;
mod resources;
mod rules;
mod server;
mod snapshot;
mod snapshot_file;
mod stalls;

pub use caches::{Cache, Caches};
pub use catalog::Metric;
pub use counters::{Events, Histogram, KernelCounts, Loss, Totals};
pub use drops::{DropMonitor, Reaction};
pub use exposition::{Exposition, Number};
pub use health::{Condition, Health};
pub use hub::{Collector, Describer, KernelSource, Tampering, Telemetry};
pub use log::{lines, log, set_level};
pub use resources::Resources;
pub use rules::{RuleLabel, RuleTable, Rules};
pub use server::{Server, ServerError, serve_stream};
pub use snapshot::{Snapshots, drop_summary, summary};
pub use snapshot_file::SnapshotFile;
pub use stalls::{Finding, Stalls};
