//! The hooks of the programs, and which of them a rule set needs.

use sensor_ebpf::{
    BackedUp::{self, self as R},
    Kind, Kinds, SystemCall,
};

use super::CaptureRequest;

/// How system calls are hooked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookMode {
    /// Per-syscall tracepoints if the kernel allows them, else the raw tracepoint.
    #[default]
    Auto,
    /// Per-syscall tracepoints, through perf. This mode costs other system calls least.
    Perf,
    /// The raw tracepoint at the exit of all system calls. This mode needs no tracefs and no perf
    /// events, and sees 32-bit system calls too.
    Raw,
}

/// One program on one hook; a program may have more than one hook.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Name of the program.
    pub program: &'static str,
    /// Name of the tracepoint.
    pub tracepoint: &'static str,
    /// Its category in tracefs; none for a BTF tracepoint.
    pub category: Option<&'static str>,
    /// The kinds of events that need this hook; none if the sensor always needs it.
    pub kinds: Option<Kinds>,
    /// The purpose of the hook.
    pub purpose: Purpose,
    /// The number under which the programs count runs of the backup.
    pub number: BackedUp,
    /// Whether the program is the backup of the program with that number.
    pub is_backup: bool,
    /// Whether the hook also fires in interrupts, where no event happens.
    pub in_interrupts: bool,
}

/// The purpose of a hook, which decides in which mode the sensor attaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For all modes.
    Base,
    /// For the exit of one system call, through perf.
    Perf,
    /// For the exits of all system calls, raw.
    Raw,
}

impl Hook {
    /// Whether `other` is the same program on the same tracepoint.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.program, self.tracepoint) == (other.program, other.tracepoint)
    }

    /// Whether `request` needs this hook in a mode ([`HookMode::Auto`] is already resolved), on a
    /// kernel where programs have backups or not.
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

/// The kinds of a hook that the sensor always needs.
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

/// The hook at the exit of a plain system call through perf. One program serves all plain system
/// calls.
const fn call(call: &SystemCall) -> Hook {
    let kind = Some(Kinds::NONE.with(call.kind));
    perf(R::Call, "exit_call", call.tracepoint, kind)
}

/// The hooks of lineage; the sensor attaches them before it looks at the existing processes.
pub(super) const LINEAGE: &[Hook] = &[FORK, backup("fork_backup", FORK)];

/// All hooks, in the order in which the sensor attaches them. Lineage comes before execs, so that
/// the sensor sees no process whose parent it missed. Backups come after their programs, since the
/// kernel runs programs in the order of attachment.
pub(super) static HOOKS: &[Hook] = &hooks();

/// The hooks of all but the plain system calls.
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

/// [`OTHERS`], and for each plain system call its hook and that of its backup.
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

    /// The tracepoints of system calls that a choice of kinds needs.
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
    fn the_sensor_hooks_a_plain_system_call_only_while_a_rule_wants_it() {
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
    fn each_number_belongs_to_one_plain_system_call() {
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
    fn a_backup_comes_after_its_program() {
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
