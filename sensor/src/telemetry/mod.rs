//! What the sensor tells about itself: log, metrics, health.

mod log;

pub use log::{lines, log, set_level};
