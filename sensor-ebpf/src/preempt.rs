//! What both sides know of preemption.

/// Stands for the kernel function `bpf_preempt_disable`. Kernel functions have no fixed
/// numbers as helpers do: user space finds them in the kernel's type information, and until
/// then the programs call numbers that no helper has.
pub const PREEMPT_DISABLE: i32 = 0x7fff_0001;
/// Stands for `bpf_preempt_enable`.
pub const PREEMPT_ENABLE: i32 = 0x7fff_0002;

/// The programs that have a relief.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relieved {
    /// `process_fork`
    Fork,
    /// `process_exec`
    Exec,
    /// `exit_execve`
    Execve,
    /// `exit_execveat`
    Execveat,
    /// `exit_exec_raw`
    ExecRaw,
    /// `sock_state`
    SockState,
    /// `exit_connect`
    Connect,
    /// `exit_connect_raw`
    ConnectRaw,
}

/// How many programs have a relief.
pub const RELIEVED: usize = 8;

/// A CPU's value of the `FLIGHTS` map, by program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(target_arch = "bpf"),
    derive(
        zerocopy::FromBytes,
        zerocopy::IntoBytes,
        zerocopy::Immutable,
        zerocopy::KnownLayout
    )
)]
pub struct Flights {
    /// How often the relief did the work.
    pub relieved: [u64; RELIEVED],
    /// 1: the program was begun and has not ended.
    pub in_flight: [u64; RELIEVED],
}
