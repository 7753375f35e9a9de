//! The kernel functions by which a program keeps its CPU.
//!
//! They have no fixed numbers as helpers do: user space finds them in the kernel's
//! type information. Until then the programs call numbers that no helper has.

/// Stands for `bpf_preempt_disable`.
pub const PREEMPT_DISABLE: i32 = 0x7fff_0001;
/// Stands for `bpf_preempt_enable`.
pub const PREEMPT_ENABLE: i32 = 0x7fff_0002;
