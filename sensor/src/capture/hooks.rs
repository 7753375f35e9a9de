//! What the programs hook, and which of them a rule set needs.

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

/// One program on one hook.
#[derive(Debug)]
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
    /// Whether it is needed by `wants` in a mode ([`HookMode::Auto`] is resolved by then).
    pub(super) fn needed(&self, wants: &Wants, mode: HookMode) -> bool {
        (self.wanted)(wants)
            && match self.purpose {
                Purpose::Base => true,
                Purpose::Perf => mode == HookMode::Perf,
                Purpose::Raw => mode == HookMode::Raw,
            }
    }
}

const fn btf(program: &'static str, tracepoint: &'static str, wanted: fn(&Wants) -> bool) -> Hook {
    Hook {
        program,
        tracepoint,
        category: None,
        wanted,
        purpose: Purpose::Base,
    }
}

const fn perf(program: &'static str, tracepoint: &'static str, wanted: fn(&Wants) -> bool) -> Hook {
    Hook {
        category: Some("syscalls"),
        purpose: Purpose::Perf,
        ..btf(program, tracepoint, wanted)
    }
}

const fn raw(program: &'static str, wanted: fn(&Wants) -> bool) -> Hook {
    Hook {
        purpose: Purpose::Raw,
        ..btf(program, "sys_exit", wanted)
    }
}

/// All hooks, in the order in which they are attached: lineage before execs, so
/// that no process is seen whose parent was missed.
pub(super) const HOOKS: &[Hook] = &[
    btf("process_fork", "sched_process_fork", |_| true),
    btf("process_exec", "sched_process_exec", |_| true),
    perf("exit_execve", "sys_exit_execve", |w| w.exec_failed),
    perf("exit_execveat", "sys_exit_execveat", |w| w.exec_failed),
    raw("exit_exec_raw", |w| w.exec_failed),
    btf("sock_state", "inet_sock_set_state", |w| w.connect),
    perf("exit_connect", "sys_exit_connect", |w| w.connect),
    raw("exit_connect_raw", |w| w.connect),
];
