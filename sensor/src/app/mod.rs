//! The sensor's life: start everything, observe, drain, print a summary.

mod derived;
mod inspect;
mod metrics;
mod monitor;
mod observe;
mod options;
mod rights;
mod rules;
mod start;
mod summary;

pub use inspect::inspect;
pub use observe::run;
