//! The kernel side as user space sees it: loading, attaching, settings,
//! counters, and the ring buffer.

mod attach;
mod btf;
mod clock;
mod counters;
mod error;
mod facts;
mod fill;
mod freeze;
mod guard;
mod hook_table;
mod hooks;
mod kernel_functions;
mod loader;
#[cfg(test)]
mod loader_tests;
mod machine;
mod mapped;
mod offsets;
mod options;
mod place;
mod preempt;
#[cfg(feature = "bpf-log")]
mod program_log;
mod programs;
mod ring;
mod throttled;
mod tree;

pub use clock::Clock;
pub use counters::{KernelCounts, meaning};
pub use error::CaptureError;
pub use facts::ProgramFacts;
pub use fill::RingFill;
pub use guard::Tampering;
pub use hooks::{Hook, HookMode};
pub use loader::{Capture, Started};
pub use options::{Budget, CaptureRequest, Connects, Name, Options, Reach, TreeMode, Watched};
pub use place::OwnPlace;
pub use programs::{ProgramFigures, Programs};
pub use ring::{Drained, Ring, rest};
pub use throttled::Throttled;

/// The eBPF object, compiled by build.rs.
pub static BPF_OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sensor-ebpf"));
