//! The kernel side as user space sees it: loading, attaching, settings,
//! counters, and the ring buffer.

mod btf;
mod clock;
mod counters;
mod error;
mod facts;
mod guard;
mod hooks;
mod loader;
mod mapped;
mod offsets;
mod options;
mod processes;
mod ring;

pub use clock::Clock;
pub use counters::{KernelCounts, Totals};
pub use error::CaptureError;
pub use facts::ProgramFacts;
pub use guard::Tampering;
pub use hooks::{Hook, HookMode};
pub use loader::Capture;
pub use options::{Kinds, Options, TreeMode, Wants};
pub use processes::{Process, TICK_NS, processes};
pub use ring::{Drained, Ring, rest};

/// The eBPF object, compiled by build.rs.
pub static BPF_OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sensor-ebpf"));
