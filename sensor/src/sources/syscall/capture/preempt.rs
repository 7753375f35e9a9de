//! Calls of the kernel functions by which a program keeps its CPU.
//!
//! Linux 7.0 made tracepoints preemptible (upstream commits a46023d5616e "tracing: Guard
//! `__DECLARE_TRACE()` use of `__DO_TRACE_CALL()` with SRCU-fast" and f7d327654b88 "bpf: Have
//! `__bpf_trace_run()` use `rcu_read_lock_dont_migrate()`"), and 7.2 made those of system calls
//! preemptible (`trace_call_bpf_faultable` in `kernel/trace/bpf_trace.c`). The kernel skips a
//! preempted program for the other tasks of its CPU until the program goes on.
//!
//! Programs on functions have been preemptible since 5.12, where `__bpf_prog_enter` of
//! `kernel/bpf/trampoline.c` forbids a task only to move to another CPU, if the kernel itself is
//! preemptible.

use std::fs;

use sensor_ebpf::{PREEMPT_DISABLE, PREEMPT_ENABLE, preempted};

/// The first kernel that can preempt programs on tracepoints.
const TRACEPOINTS: (u32, u32) = (7, 0);
/// The first kernel that can preempt programs on functions.
const FUNCTIONS: (u32, u32) = (5, 12);
/// Where a kernel says whether it is preemptible, if it decides at its boot.
const MODEL: &str = "/sys/kernel/debug/sched/preempt";

/// `BPF_JMP | BPF_CALL` of include/uapi/linux/bpf.h.
const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL`, as a source register.
const KERNEL_FUNCTION: u8 = 2 << 4;
/// `r0 = 0`: `BPF_ALU64 | BPF_MOV | BPF_K`.
const NOTHING: u64 = instruction(0xb7, 0, 0);

const DISABLE: u64 = instruction(CALL, 0, PREEMPT_DISABLE);
const ENABLE: u64 = instruction(CALL, 0, PREEMPT_ENABLE);

/// The numbers of the functions' types in the kernel's BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PreemptFunctions {
    /// `bpf_preempt_disable`.
    pub(super) disable: u32,
    /// `bpf_preempt_enable`.
    pub(super) enable: u32,
}

/// The hooks on which a kernel of that version can preempt programs, bits of [`sensor_ebpf::preempted`].
pub(super) fn preempted(version: (u32, u32)) -> u32 {
    let mut hooks = 0;
    if version >= TRACEPOINTS {
        hooks |= preempted::TRACEPOINTS;
    }
    if version >= FUNCTIONS && is_preemptible() {
        hooks |= preempted::FUNCTIONS;
    }
    hooks
}

/// Whether the running kernel may be preemptible.
fn is_preemptible() -> bool {
    let uname = rustix::system::uname();
    let model = fs::read_to_string(MODEL).ok();
    may_preempt(&uname.version().to_string_lossy(), model.as_deref())
}

/// Whether a kernel may be preemptible, by its build (`uname -v`) and by the model that it chose at
/// boot, for example `none (voluntary) full`.
fn may_preempt(build: &str, model: Option<&str>) -> bool {
    build.contains("PREEMPT")
        && !model.is_some_and(|model| model.contains("(none)") || model.contains("(voluntary)"))
}

/// The eBPF object with calls of these functions; without functions, moves replace the calls.
pub(super) fn object(object: &[u8], functions: Option<PreemptFunctions>) -> Vec<u64> {
    let call = |function: Option<u32>| {
        function.map_or(NOTHING, |id| {
            instruction(CALL, KERNEL_FUNCTION, id.cast_signed())
        })
    };
    let disable = call(functions.map(|f| f.disable));
    let enable = call(functions.map(|f| f.enable));
    words(object)
        .map(|word| match word {
            DISABLE => disable,
            ENABLE => enable,
            other => other,
        })
        .collect()
}

/// The object as words of eight bytes, to which instructions and all other parts are aligned.
fn words(object: &[u8]) -> impl Iterator<Item = u64> {
    object.chunks(size_of::<u64>()).map(|chunk| {
        let mut word = [0; size_of::<u64>()];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word)
    })
}

/// One instruction (`struct bpf_insn`) as a number in this machine's byte order.
const fn instruction(code: u8, registers: u8, immediate: i32) -> u64 {
    let [a, b, c, d] = immediate.to_ne_bytes();
    u64::from_ne_bytes([code, registers, 0, 0, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::BPF_OBJECT, *};

    fn count(object: &[u64], wanted: u64) -> usize {
        object.iter().filter(|word| **word == wanted).count()
    }

    #[test]
    fn each_program_keeps_its_cpu_once_and_gives_it_back_at_every_end() {
        let functions = PreemptFunctions {
            disable: 7,
            enable: 8,
        };
        let with = object(BPF_OBJECT, Some(functions));
        let disable = count(&with, instruction(CALL, KERNEL_FUNCTION, 7));
        let hooks = super::super::hook_table::HOOKS.iter();
        let programs: BTreeSet<_> = hooks.map(|hook| hook.program).collect();
        assert_eq!(disable, programs.len());
        assert!(count(&with, instruction(CALL, KERNEL_FUNCTION, 8)) >= disable);
    }

    #[test]
    fn a_kernel_is_preemptible_if_its_build_or_its_boot_says_so() {
        let dynamic = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1";
        assert!(!may_preempt("#1 SMP Debian 5.10.0", None));
        assert!(may_preempt("#1 SMP PREEMPT Debian", None));
        assert!(may_preempt(dynamic, None));
        assert!(!may_preempt(dynamic, Some("none (voluntary) full\n")));
        assert!(!may_preempt(dynamic, Some("(none) voluntary full\n")));
        assert!(may_preempt(dynamic, Some("none voluntary full (lazy)\n")));
    }

    #[test]
    fn no_call_without_a_function_is_left() {
        for functions in [
            None,
            Some(PreemptFunctions {
                disable: 7,
                enable: 8,
            }),
        ] {
            let object = object(BPF_OBJECT, functions);
            for number in [PREEMPT_DISABLE, PREEMPT_ENABLE] {
                assert_eq!(count(&object, instruction(CALL, 0, number)), 0);
            }
        }
    }

    #[test]
    fn nothing_else_of_the_object_changes() {
        let object = object(BPF_OBJECT, None);
        assert_eq!(object.len(), BPF_OBJECT.len().div_ceil(8));
        let changed = words(BPF_OBJECT)
            .zip(&object)
            .filter(|(was, is)| was != *is);
        assert!(changed.into_iter().all(|(_, is)| *is == NOTHING));
    }
}
