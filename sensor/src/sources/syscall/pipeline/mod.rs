//! Makes lines from records.
//!
//! ```text
//! record ──▶ decode, identify, enrich, wait, evaluate, format ──line──▶ outputs
//!                 ▲ updates of metadata      ▲ other rules
//! ```

mod cgroups;
mod environments;
mod evaluator;
mod event_path;
mod guard;
mod share;
#[cfg(test)]
mod tests;
mod throttling;
mod upkeep;
mod watched;

pub use cgroups::Cgroups;
pub(super) use evaluator::Evaluator;
pub use evaluator::Node;
pub use event_path::{Pending, PendingRecord, Pipeline, PipelineParts};
pub(crate) use guard::Guard;
pub(crate) use throttling::{BEGUN, Throttlings};
