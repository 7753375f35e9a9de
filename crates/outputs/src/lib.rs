//! Writes whole lines to each output that the configuration enables.
//!
//! ```text
//! capture thread: line, line, …, flush ──▶ Batch ──▶ Queue ──▶ thread of an output
//!                                            │        bounded, counted
//!                                            └─────▶ Queue ──▶ thread of another one
//! ```
//!
//! Each output has its own bounded queue and its own thread, so that a slow output delays neither
//! another one nor the capture; see [`Account`] for the counts.

mod account;
mod alert;
mod batch;
mod control;
mod error;
mod fan_out;
pub mod file;
mod gate;
mod http;
pub mod internal;
mod kinds;
pub mod program;
mod progress;
mod queue;
mod service;
mod stdout;
mod syslog;
pub mod system_log;
mod terminal;
pub mod tls;
mod worker;

pub use account::{Account, Counts, DropCause};
pub use alert::{AlertFormat, AlertOptions, AlertScratch};
pub use batch::{Batch, Builder};
pub use control::{Change, Control};
pub use error::OutputError;
pub use fan_out::{Form, Outputs};
pub use gate::Gate;
pub use progress::Progress;
pub use queue::{Entry, Gap, Limit, Queue, QueueContents};
pub use terminal::{paint, wants_colour};
