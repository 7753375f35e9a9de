//! System calls, as eBPF programs see them: Falco's source `syscall`.
//!
//! ```text
//! capture ──record──▶ event ──▶ lineage, metadata ──▶ fields ──▶ rules ──▶ line
//! (kernel)  ring       bytes,     who and where        Falco's    which
//!           buffer     checked                         names      match
//! ```

pub mod capture;
pub mod event;
pub mod fields;
pub mod lineage;
pub mod options;
pub mod pipeline;
pub mod recording;
pub mod rules;
pub mod self_test;
mod source;

pub use source::{PendingFigures, Rules, SystemCalls, confine, say_attached};
