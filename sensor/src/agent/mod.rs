//! The capture thread: records in, lines out.

mod cgroups;
mod interim;
mod pipeline;

pub use cgroups::Cgroups;
pub use interim::RuleSet;
pub use pipeline::{Counts, Pipeline};
