//! What the programs hook, and which of them a rule set needs.

use sensor_ebpf::{
    BackedUp::{self, self as R},
    Kind, Kinds, SystemCall,
};

use super::CaptureRequest;

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
    /// The kinds of events that it is needed for; none if it is always needed.
    pub kinds: Option<Kinds>,
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

    /// Whether it is needed by `request` in a mode ([`HookMode::Auto`] is resolved by then),
    /// on a kernel where programs have backups or not.
    pub(super) fn needed(&self, request: &CaptureRequest, mode: HookMode, backups: bool) -> bool {
        self.kinds
            .is_none_or(|kinds| kinds.intersects(request.kinds))
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
    kinds: Option<Kinds>,
) -> Hook {
    Hook {
        program,
        tracepoint,
        category: None,
        kinds,
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
    kinds: Option<Kinds>,
) -> Hook {
    Hook {
        category: Some("syscalls"),
        purpose: Purpose::Perf,
        ..btf(number, program, tracepoint, kinds)
    }
}

const fn raw(number: BackedUp, program: &'static str, kinds: Option<Kinds>) -> Hook {
    Hook {
        purpose: Purpose::Raw,
        ..btf(number, program, "sys_exit", kinds)
    }
}

const fn backup(program: &'static str, backed_up: Hook) -> Hook {
    Hook {
        program,
        is_backup: true,
        ..backed_up
    }
}

/// What needs a hook that is always there.
const ALWAYS: Option<Kinds> = None;
const EXEC_FAILED: Option<Kinds> = Some(Kinds::NONE.with(Kind::ExecFailed));
const CONNECTS: Option<Kinds> = Some(Kinds::NONE.with(Kind::Connect));

const FORK: Hook = btf(R::Fork, "process_fork", "sched_process_fork", ALWAYS);
const EXEC: Hook = btf(R::Exec, "process_exec", "sched_process_exec", ALWAYS);
const EXECVE: Hook = perf(R::Execve, "exit_execve", "sys_exit_execve", EXEC_FAILED);
const EXECVEAT: Hook = Hook {
    tracepoint: "sys_exit_execveat",
    ..EXECVE
};
const EXEC_RAW: Hook = raw(R::ExecRaw, "exit_exec_raw", EXEC_FAILED);
const SOCK_STATE: Hook = Hook {
    in_interrupts: true,
    ..btf(R::SockState, "sock_state", "inet_sock_set_state", CONNECTS)
};
const CONNECT: Hook = perf(R::Connect, "exit_connect", "sys_exit_connect", CONNECTS);
const CONNECT_RAW: Hook = raw(R::ConnectRaw, "exit_connect_raw", CONNECTS);
const CALL_RAW: Hook = raw(R::CallRaw, "exit_call_raw", Some(Kinds::CALLS));

/// The exit of a plain system call through perf: one program for all of them.
const fn call(call: &SystemCall) -> Hook {
    let kind = Some(Kinds::NONE.with(call.kind));
    perf(R::Call, "exit_call", call.tracepoint, kind)
}

/// What lineage needs; it is attached before the existing processes are looked at.
pub(super) const LINEAGE: &[Hook] = &[FORK, backup("fork_backup", FORK)];

/// All hooks, in the order in which they are attached: lineage before execs, so
/// that no process is seen whose parent was missed; and backups after what they
/// back up, as the kernel runs programs in the order in which they came.
pub(super) static HOOKS: &[Hook] = &hooks();

/// Those that are no plain system call's.
const OTHERS: &[Hook] = &[
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
    CALL_RAW,
    backup("call_raw_backup", CALL_RAW),
];

/// [`OTHERS`], and one of each plain system call with its backup.
const fn hooks() -> [Hook; OTHERS.len() + 2 * SystemCall::ALL.len()] {
    let mut hooks = [FORK; OTHERS.len() + 2 * SystemCall::ALL.len()];
    let mut at = 0;
    while at < OTHERS.len() {
        hooks[at] = OTHERS[at];
        at += 1;
    }
    let mut number = 0;
    while number < SystemCall::ALL.len() {
        let hook = call(&SystemCall::ALL[number]);
        hooks[at] = hook;
        hooks[at + 1] = backup("call_backup", hook);
        at += 2;
        number += 1;
    }
    hooks
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Tracepoints of system calls that a choice of kinds needs.
    fn tracepoints(kinds: Kinds, mode: HookMode) -> Vec<&'static str> {
        let request = CaptureRequest {
            kinds,
            ..CaptureRequest::default()
        };
        let of_calls = |hook: &&Hook| hook.tracepoint.starts_with("sys_exit");
        let needed = HOOKS.iter().filter(of_calls);
        let needed = needed.filter(|hook| hook.needed(&request, mode, false));
        needed.map(|hook| hook.tracepoint).collect()
    }

    #[test]
    fn a_plain_system_call_is_hooked_while_it_is_wanted() {
        for call in SystemCall::ALL {
            let wanted = Kinds::NONE.with(Kind::Exec).with(call.kind);
            assert_eq!(tracepoints(wanted, HookMode::Perf), [call.tracepoint]);
            assert_eq!(tracepoints(wanted, HookMode::Raw), ["sys_exit"]);
        }
        let execs = Kinds::NONE.with(Kind::Exec);
        assert!(tracepoints(execs, HookMode::Perf).is_empty());
        assert!(tracepoints(execs, HookMode::Raw).is_empty());
    }

    #[test]
    fn a_number_is_that_of_one_plain_system_call() {
        let abis: [fn(&SystemCall) -> &'static [u32]; 4] = [
            |call| call.numbers.x86_64,
            |call| call.numbers.i386,
            |call| call.numbers.arm64,
            |call| call.numbers.arm,
        ];
        for numbers in abis {
            let all: Vec<u32> = SystemCall::ALL.iter().flat_map(numbers).copied().collect();
            let each: BTreeSet<u32> = all.iter().copied().collect();
            assert_eq!(each.len(), all.len(), "{all:?}");
        }
    }

    #[test]
    fn a_backup_comes_behind_what_it_backs_up() {
        for (at, hook) in HOOKS.iter().enumerate().filter(|(_, hook)| hook.is_backup) {
            let same = |first: &Hook| {
                !first.is_backup
                    && first.number as u32 == hook.number as u32
                    && first.tracepoint == hook.tracepoint
            };
            assert!(HOOKS[..at].iter().any(same), "{hook:?}");
        }
    }
}
