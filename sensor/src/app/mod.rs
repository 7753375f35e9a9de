//! The sensor's life: start everything, observe, drain, print a summary.

mod broken_rules;
mod cases;
mod derived;
mod explain;
mod gap;
mod good_rules;
mod hunt;
mod inspect;
mod json_lines;
mod live;
mod metrics;
mod monitor;
mod observe;
mod options;
mod outcome;
mod quiet;
mod readiness;
mod record;
mod recorded;
mod replay;
mod rights;
mod rules;
mod seat;
mod start;
mod summary;
mod support;
mod takeover;
mod tree;
mod watch;
mod zstd;

pub use inspect::inspect;
pub use observe::run;
pub use outcome::Outcome;
pub use watch::watch;
