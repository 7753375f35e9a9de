//! Tests whether events arrive: now and then a helper process of the sensor executes itself with a
//! number that no other process knows, and this exec must come back as an event.
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
