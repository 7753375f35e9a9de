//! What the programs hook, and which of them a rule set needs.

use sensor_ebpf::{
    BackedUp::{self, self as R},
    Kind,
};

use super::Wants;

/// How system calls are hooked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookMode {
    /// Per-syscall tracepoints if the kernel lets us, else raw ones.
    #[default]
    Auto,
    /// Per-syscall tracepoints, through perf: they cost other system calls least.
    Perf,
    /// The raw tracepoint of all system calls' exits: needs no tracefs and no
    /// perf events, and sees 32-bit system calls too.
    Raw,
}

/// One program on one hook; a program may be on more of them.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Name of the program.
    pub program: &'static str,
    /// Name of the tracepoint.
    pub tracepoint: &'static str,
    /// Its category in tracefs; none for a BTF tracepoint.
    pub category: Option<&'static str>,
    /// Whether it is needed.
    pub wanted: fn(&Wants) -> bool,
    /// What it is for.
    pub purpose: Purpose,
    /// By which number its backups are counted.
    pub number: BackedUp,
    /// Whether it stands in for the program of that number, on kernels that may skip that one.
    pub is_backup: bool,
    /// Whether it also runs in interrupts, where it never has an event.
    pub in_interrupts: bool,
}

/// What a hook is for, which decides in which mode it is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Needed whatever the mode.
    Base,
    /// A system call's exit, through perf.
    Perf,
    /// System calls' exits, raw.
    Raw,
}

impl Hook {
    /// Whether it is the same program on the same tracepoint.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.program, self.tracepoint) == (other.program, other.tracepoint)
    }

    /// Whether it is needed by `wants` in a mode ([`HookMode::Auto`] is resolved by then),
    /// on a kernel where programs have backups or not.
    pub(super) fn needed(&self, wants: &Wants, mode: HookMode, backups: bool) -> bool {
        (self.wanted)(wants)
            && (backups || !self.is_backup)
            && match self.purpose {
                Purpose::Base => true,
                Purpose::Perf => mode == HookMode::Perf,
                Purpose::Raw => mode == HookMode::Raw,
            }
    }
}

const fn btf(
    number: BackedUp,
    program: &'static str,
    tracepoint: &'static str,
    wanted: fn(&Wants) -> bool,
) -> Hook {
    Hook {
        program,
        tracepoint,
        category: None,
        wanted,
        purpose: Purpose::Base,
        number,
        is_backup: false,
        in_interrupts: false,
    }
}

const fn perf(
    number: BackedUp,
    program: &'static str,
    tracepoint: &'static str,
    wanted: fn(&Wants) -> bool,
) -> Hook {
    Hook {
        category: Some("syscalls"),
        purpose: Purpose::Perf,
        ..btf(number, program, tracepoint, wanted)
    }
}

const fn raw(number: BackedUp, program: &'static str, wanted: fn(&Wants) -> bool) -> Hook {
    Hook {
        purpose: Purpose::Raw,
        ..btf(number, program, "sys_exit", wanted)
    }
}

const fn backup(program: &'static str, backed_up: Hook) -> Hook {
    Hook {
        program,
        is_backup: true,
        ..backed_up
    }
}

const FORK: Hook = btf(R::Fork, "process_fork", "sched_process_fork", |_| true);
const EXEC: Hook = btf(R::Exec, "process_exec", "sched_process_exec", |_| true);
const EXECVE: Hook = perf(R::Execve, "exit_execve", "sys_exit_execve", exec_failed);
const EXECVEAT: Hook = Hook {
    tracepoint: "sys_exit_execveat",
    ..EXECVE
};
const EXEC_RAW: Hook = raw(R::ExecRaw, "exit_exec_raw", exec_failed);
const SOCK_STATE: Hook = Hook {
    in_interrupts: true,
    ..btf(R::SockState, "sock_state", "inet_sock_set_state", connect)
};
const CONNECT: Hook = perf(R::Connect, "exit_connect", "sys_exit_connect", connect);
const CONNECT_RAW: Hook = raw(R::ConnectRaw, "exit_connect_raw", connect);

fn exec_failed(wants: &Wants) -> bool {
    wants.kinds.contains(Kind::ExecFailed)
}

fn connect(wants: &Wants) -> bool {
    wants.kinds.contains(Kind::Connect)
}

/// What lineage needs; it is attached before the existing processes are looked at.
pub(super) const LINEAGE: &[Hook] = &[FORK, backup("fork_backup", FORK)];

/// All hooks, in the order in which they are attached: lineage before execs, so
/// that no process is seen whose parent was missed; and backups after what they
/// back up, as the kernel runs programs in the order in which they came.
pub(super) const HOOKS: &[Hook] = &[
    FORK,
    backup("fork_backup", FORK),
    EXEC,
    backup("exec_backup", EXEC),
    EXECVE,
    EXECVEAT,
    backup("execve_backup", EXECVE),
    backup("execve_backup", EXECVEAT),
    EXEC_RAW,
    backup("exec_raw_backup", EXEC_RAW),
    SOCK_STATE,
    backup("sock_backup", SOCK_STATE),
    CONNECT,
    backup("connect_backup", CONNECT),
    CONNECT_RAW,
    backup("connect_raw_backup", CONNECT_RAW),
];
