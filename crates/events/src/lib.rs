//! What every source of events stands on.

mod pending;

pub use pending::{
    PendingEvents, PendingOptions, PendingStatistics, Release, ReleaseCounts, Released,
};
