//! What both sides know of preemption.

/// Stands for the kernel function `bpf_preempt_disable`. Kernel functions have no fixed
/// numbers as helpers do: user space finds them in the kernel's type information, and until
/// then the programs call numbers that no helper has.
pub const PREEMPT_DISABLE: i32 = 0x7fff_0001;
/// Stands for `bpf_preempt_enable`.
pub const PREEMPT_ENABLE: i32 = 0x7fff_0002;

/// The programs that have a backup.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackedUp {
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
    /// `exit_call`
    Call,
    /// `exit_call_raw`
    CallRaw,
}

/// How many programs have a backup.
pub const BACKED_UP: usize = 9;

/// That a program has run for a task, and its backup not yet; key of the `DONE` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoneKey {
    /// The task (`bpf_get_current_pid_tgid`).
    pub task: u64,
    /// A [`BackedUp`].
    pub program: u64,
}

/// Most of them. Those of tasks on the way from a program to its backup are there, and the few
/// whose backup was skipped, which the kernel forgets in time.
pub const DONE_MAX: u32 = 8192;
