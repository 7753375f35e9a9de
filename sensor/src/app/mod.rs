//! The sensor's life: start everything, observe, drain, print a summary.

mod broken_rules;
mod derived;
mod gap;
mod good_rules;
mod inspect;
mod metrics;
mod monitor;
mod observe;
mod options;
mod outcome;
mod quiet;
mod readiness;
mod rights;
mod rules;
mod start;
mod summary;
mod support;
mod tree;

pub use inspect::inspect;
pub use observe::run;
pub use outcome::Outcome;
