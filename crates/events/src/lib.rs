//! The parts that every source of events has in common.
//!
//! ```text
//! EventSource ──event──▶ Evaluator ──line──▶ Outputs
//!      ▲                    rules, Ledger
//!    Feed: the source's thread, its commands and its sleep
//! ```
//!
//! A source implements [`EventSource`]; `examples/json_lines.rs` is a whole source.

mod evaluator;
mod feed;
mod lines;
mod pending;
mod share;
mod source;

pub use evaluator::{Evaluator, RecordingDemand};
pub use feed::{Feed, Finished, Reload};
pub use lines::Lines;
pub use pending::{
    PendingEvents, PendingOptions, PendingStatistics, Release, ReleaseCounts, Released,
};
pub use share::{Around, Border, SKEW, Share};
pub use source::{EventSource, Next};
