//! The capture thread: records in, lines out.
//!
//! ```text
//! Ring ──record──▶ Pipeline: decode, identify, enrich, hold, evaluate, format ──line──▶ Outputs
//!                      ▲ updates of metadata           ▲ other rules
//! ```

mod cgroups;
mod evaluator;
mod guard;
mod ledger;
mod pipeline;
pub mod settings;
mod sink;
#[cfg(test)]
mod tests;
mod thread;
mod throttling;

pub use cgroups::Cgroups;
pub use evaluator::Node;
pub use ledger::{Loss, ledger};
pub use pipeline::{Parts, Pending, Pipeline, WaitingRecord};
pub use sink::Sink;
pub use thread::{Agent, Finished, Reload, Snapshot, tell_attached};
