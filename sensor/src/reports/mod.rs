//! The sensor's reports about itself: metrics page, snapshots, records of losses.

mod drops;
mod outputs;
mod server;
mod snapshot;
mod snapshot_file;
mod stalls;
pub mod versions;

pub use drops::{DropMonitor, Reaction};
pub use outputs::OutputReport;
pub use server::{Server, ServerError, serve_stream};
pub use snapshot::{Snapshots, rule_costs, summary};
pub use snapshot_file::SnapshotFile;
pub use stalls::{OutputState, Stalls};
