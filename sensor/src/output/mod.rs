//! Lines, and where they go.

mod alert;

pub use alert::{AlertFormat, AlertOptions, AlertScratch};
