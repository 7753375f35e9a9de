//! The sensor's life: build everything, observe, drain, say what happened.

mod inspect;
mod metrics;
mod monitor;
mod needs;
mod observe;
mod options;
mod rights;
mod rules;
mod start;
mod summary;

pub use inspect::inspect;
pub use observe::run;
