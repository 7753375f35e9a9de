//! The capture thread: records in, lines out.

mod cgroups;
mod evaluator;
mod interim;
mod pipeline;

pub use cgroups::Cgroups;
pub use evaluator::Node;
pub use interim::RuleSet;
pub use pipeline::{Counts, Parts, Pipeline};
