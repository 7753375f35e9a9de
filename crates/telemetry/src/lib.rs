//! What the sensor counts: metrics, ledgers of events, health.
//!
//! ```text
//! event path ──▶ atomic counters ◀── render ◀── GET /metrics
//!                      ▲──── snapshots, drop monitor ──▶ records for the stream
//! ```
//!
//! This crate knows no output: the crate that writes lines counts them, and adds its counts by
//! [`Telemetry::collect`].

mod caches;
pub mod catalog;
mod exposition;
#[cfg(test)]
mod exposition_tests;
mod health;
mod histogram;
mod hub;
mod identity;
mod ledger;
mod local_time;
mod lookups;
#[cfg(test)]
mod monitoring;
mod resources;
mod rules;

pub use caches::{Cache, Caches};
pub use catalog::Metric;
pub use exposition::{Exposition, Number};
pub use health::{Condition, Health};
pub use histogram::Histogram;
pub use hub::{Collector, Describer, Probe, Tampering, Telemetry};
pub use identity::{Identity, Loaded};
pub use ledger::{Count, Kind, KindTotals, Ledger, Meaning, SourceCounts, SourceTotals};
pub use local_time::local_offset;
pub use lookups::Lookups;
pub use resources::Resources;
pub use rules::{RuleLabel, RuleTable, Rules};
