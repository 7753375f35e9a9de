//! The table of all hooks.

use sensor_ebpf::{
    BackedUp::{self, self as R},
    Kind, Kinds, SystemCall, functions,
};

use super::hooks::{Hook, HookMode, Point};

const fn btf(
    number: BackedUp,
    program: &'static str,
    tracepoint: &'static str,
    kinds: Option<Kinds>,
) -> Hook {
    Hook {
        program,
        point: Point::Btf(tracepoint),
        mode: None,
        kinds,
        number,
        is_backup: false,
        in_interrupts: false,
        optional: false,
        replaced_by: None,
    }
}

const fn perf(
    number: BackedUp,
    program: &'static str,
    tracepoint: &'static str,
    kinds: Option<Kinds>,
) -> Hook {
    Hook {
        point: Point::Perf(tracepoint),
        mode: Some(HookMode::Perf),
        ..btf(number, program, tracepoint, kinds)
    }
}

const fn raw(number: BackedUp, program: &'static str, kinds: Option<Kinds>) -> Hook {
    Hook {
        mode: Some(HookMode::Raw),
        ..btf(number, program, "sys_exit", kinds)
    }
}

const fn fexit(
    number: BackedUp,
    program: &'static str,
    function: &'static str,
    kinds: Option<Kinds>,
) -> Hook {
    Hook {
        point: Point::Fexit(function),
        mode: Some(HookMode::Fexit),
        ..btf(number, program, function, kinds)
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
    point: Point::Perf("sys_exit_execveat"),
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

/// The hooks of lineage; the sensor attaches them before it looks at the existing processes.
pub(super) const LINEAGE: &[Hook] = &[FORK, backup("fork_backup", FORK)];

/// All hooks, in the order in which the sensor attaches them. Lineage comes before execs, so that
/// the sensor sees no process whose parent it missed. On tracepoints backups come after their
/// programs, since the kernel runs programs in the order of attachment; on functions they come
/// before, since the kernel runs the latest program first (`bpf_trampoline_link_prog` of
/// `kernel/bpf/trampoline.c`).
pub(super) static HOOKS: &[Hook] = &List::all().hooks;

/// The hooks on tracepoints of all but the plain system calls.
const TRACEPOINTS: &[Hook] = &[
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

/// The hooks on functions of all but the plain system calls: a system call's functions, the hook
/// of any of them, and the backup.
const FUNCTIONS: &[(&[&str], Hook, &str)] = &[
    (&functions!("execve"), FEXIT_EXEC, "fexit_exec_backup"),
    (&functions!("execveat"), FEXIT_EXEC, "fexit_exec_backup"),
    (
        &functions!("connect"),
        FEXIT_CONNECT,
        "fexit_connect_backup",
    ),
    (
        &functions!("socketcall"),
        FEXIT_SOCKETCALL,
        "fexit_connect_backup",
    ),
];
const FEXIT_EXEC: Hook = fexit(R::ExecFunction, "fexit_exec", "", EXEC_FAILED);
const FEXIT_CONNECT: Hook = fexit(R::ConnectFunction, "fexit_connect", "", CONNECTS);
/// Only 32-bit programs have this call.
const FEXIT_SOCKETCALL: Hook = Hook {
    optional: true,
    ..FEXIT_CONNECT
};

/// How many functions a system call may have.
const FUNCTIONS_OF_CALL: usize = functions!("").len();
/// How many hooks a plain system call has: on its tracepoint and on each of its functions.
const HOOKS_OF_CALL: usize = 2 * (1 + FUNCTIONS_OF_CALL);

const ALL: usize = TRACEPOINTS.len()
    + 2 * FUNCTIONS_OF_CALL * FUNCTIONS.len()
    + HOOKS_OF_CALL * SystemCall::ALL.len();

/// Hooks that are put together at compile time.
struct List {
    hooks: [Hook; ALL],
    len: usize,
}

impl List {
    const fn all() -> Self {
        let mut list = Self {
            hooks: [FORK; ALL],
            len: 0,
        };
        let mut n = 0;
        while n < TRACEPOINTS.len() {
            list = list.with(TRACEPOINTS[n]);
            n += 1;
        }
        n = 0;
        while n < FUNCTIONS.len() {
            let (functions, hook, backup) = FUNCTIONS[n];
            list = list.with_functions(functions, hook, backup);
            n += 1;
        }
        n = 0;
        while n < SystemCall::ALL.len() {
            let call = &SystemCall::ALL[n];
            let kind = Some(Kinds::NONE.with(call.kind));
            let hook = perf(R::Call, "exit_call", call.tracepoint, kind);
            list = list.with(hook).with(backup("call_backup", hook));
            let hook = fexit(R::CallFunction, "fexit_call", "", kind);
            list = list.with_functions(&call.functions, hook, "fexit_call_backup");
            n += 1;
        }
        assert!(list.len == ALL);
        list
    }

    const fn with(mut self, hook: Hook) -> Self {
        self.hooks[self.len] = hook;
        self.len += 1;
        self
    }

    /// Adds the hook and its backup for each function of a system call. The first function is that
    /// of native calls; a kernel may lack the others, and calls the last one that it has.
    const fn with_functions(
        self,
        functions: &[&'static str],
        hook: Hook,
        of: &'static str,
    ) -> Self {
        let mut list = self;
        let mut n = 0;
        while n < functions.len() {
            let hook = Hook {
                point: Point::Fexit(functions[n]),
                optional: hook.optional || n > 0,
                replaced_by: if n > 0 && n + 1 < functions.len() {
                    Some(functions[n + 1])
                } else {
                    None
                },
                ..hook
            };
            list = list.with(backup(of, hook)).with(hook);
            n += 1;
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sensor_ebpf::preempted;

    use super::{
        super::{CaptureRequest, Reach},
        *,
    };

    /// The hooks of system calls that a choice of kinds needs.
    fn points(kinds: Kinds, mode: HookMode) -> Vec<&'static str> {
        let request = CaptureRequest {
            reach: Reach::everywhere(kinds),
            ..CaptureRequest::default()
        };
        let of_calls = |hook: &&Hook| hook.mode.is_some() && !hook.optional;
        let needed = HOOKS.iter().filter(of_calls);
        let needed = needed.filter(|hook| hook.needed(&request, mode, 0));
        needed.map(|hook| hook.point.name()).collect()
    }

    #[test]
    fn the_sensor_hooks_a_plain_system_call_only_while_a_rule_wants_it() {
        for call in SystemCall::ALL {
            let wanted = Kinds::NONE.with(Kind::Exec).with(call.kind);
            assert_eq!(points(wanted, HookMode::Fexit), [call.functions[0]]);
            assert_eq!(points(wanted, HookMode::Perf), [call.tracepoint]);
            assert_eq!(points(wanted, HookMode::Raw), ["sys_exit"]);
        }
        let execs = Kinds::NONE.with(Kind::Exec);
        for mode in HookMode::TRIED {
            assert!(points(execs, mode).is_empty());
        }
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

    /// `__ia32_sys_ptrace` is in the kernel, and nobody calls the function.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn of_the_functions_for_32_bit_calls_the_sensor_hooks_the_one_that_the_kernel_calls() {
        let of = |name: &str| HOOKS.iter().find(|hook| hook.point.name() == name);
        let is_there = |name: &str, functions: &[&'static str]| {
            let functions = functions.iter().copied().collect();
            of(name).expect("there is a hook").is_there(&functions)
        };
        let (native, compat) = ("__ia32_sys_ptrace", "__ia32_compat_sys_ptrace");
        assert!(is_there(native, &[native]));
        assert!(!is_there(native, &[native, compat]));
        assert!(is_there(compat, &[native, compat]));
        assert!(!is_there(compat, &[]));
        assert!(is_there("__x64_sys_ptrace", &[]));
    }

    #[test]
    fn the_kernel_runs_a_backup_after_its_program() {
        for (at, hook) in HOOKS.iter().enumerate().filter(|(_, hook)| hook.is_backup) {
            let same = |first: &Hook| {
                !first.is_backup && first.number == hook.number && first.point == hook.point
            };
            let before = HOOKS[..at].iter().any(same);
            assert_eq!(before, !matches!(hook.point, Point::Fexit(_)), "{hook:?}");
        }
    }

    #[test]
    fn programs_have_backups_only_on_hooks_on_which_the_kernel_preempts_programs() {
        let request = CaptureRequest {
            reach: Reach::everywhere(Kinds::ALL),
            ..CaptureRequest::default()
        };
        let backups = |mode, preempted| {
            let needed = HOOKS
                .iter()
                .filter(|hook| hook.needed(&request, mode, preempted));
            let backups = needed.filter(|hook| hook.is_backup);
            backups.map(|hook| hook.program).collect::<BTreeSet<_>>()
        };
        assert!(backups(HookMode::Fexit, 0).is_empty());
        let of_functions = [
            "fexit_call_backup",
            "fexit_connect_backup",
            "fexit_exec_backup",
        ];
        let of_tracepoints = ["exec_backup", "fork_backup", "sock_backup"];
        assert_eq!(
            backups(HookMode::Fexit, preempted::FUNCTIONS),
            of_functions.into()
        );
        assert_eq!(
            backups(HookMode::Fexit, preempted::TRACEPOINTS),
            of_tracepoints.into()
        );
    }
}
