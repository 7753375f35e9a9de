//! What user space and the eBPF programs share about preemption.

macro_rules! backed_up {
    ($($(#[$attribute:meta])* $program:ident,)*) => {
        /// The programs that have a backup.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum BackedUp {
            $($(#[$attribute])* $program,)*
        }

        /// How many programs have a backup.
        pub const BACKED_UP: usize = [$(BackedUp::$program),*].len();
    };
}

backed_up! {
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
    /// `fexit_exec`
    ExecFunction,
    /// `fexit_connect`
    ConnectFunction,
    /// `fexit_call`
    CallFunction,
}

/// The hooks on which the kernel can preempt programs, a bit for each; programs on these hooks have
/// backups.
pub mod preempted {
    /// Tracepoints.
    pub const TRACEPOINTS: u32 = 1 << 0;
    /// The exits of kernel functions.
    pub const FUNCTIONS: u32 = 1 << 1;
}

impl BackedUp {
    /// The bit of [`preempted`] for the program's hook.
    #[must_use]
    pub const fn preempted(self) -> u32 {
        match self {
            Self::ExecFunction | Self::ConnectFunction | Self::CallFunction => preempted::FUNCTIONS,
            _ => preempted::TRACEPOINTS,
        }
    }
}

/// Key of the `DONE` map: a program that has run for a task while its backup has not run yet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoneKey {
    /// The task (`bpf_get_current_pid_tgid`).
    pub task: u64,
    /// The program, a [`BackedUp`].
    pub program: u64,
}

/// Most entries of the `DONE` map. The map has an entry for each task between a program and its
/// backup, and for the few tasks whose backup the kernel skipped; the kernel evicts these in time.
pub const DONE_MAX: u32 = 8192;
