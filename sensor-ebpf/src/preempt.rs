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
pub const RELIEVED: usize = 7;

/// How many tasks can be noted for a program at a time.
pub const DONE_TASKS: usize = 1024;
