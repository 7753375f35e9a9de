//! Whether what happens really arrives: now and then a process of the sensor's own executes
//! itself with a number that nobody else knows, and that exec must come back.
//!
//! ```text
//! SelfTest ──number──▶ helper ──exec──▶ kernel ──ring buffer──▶ Marker ──▶ SelfTest ──▶ readiness
//! (main thread)                                          (capture thread)
//! ```
//!
//! The kernel side reports the helper's execs whatever the rules want, so the test
//! covers the hook, the filter's map, the ring buffer and the capture thread.

mod helper;
mod marker;
mod test;

pub use helper::{HELPER_FLAG, run_helper};
pub use marker::Marker;
pub use test::{SelfTest, SelfTestError, Verdict};
