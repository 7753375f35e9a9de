//! What a program does about preemption.
//!
//! From Linux 7.0 on tracepoints can be preempted, and so can programs on them. What there is
//! one of for each CPU (scratch memory, counters) would then be used by two at once. And as long
//! as a program that was preempted has not gone on, the kernel skips it for all other tasks of
//! that CPU: their events would be missed for a time slice.
//!
//! So the body of a program keeps the CPU; and of each program there is a second copy, its
//! relief, on the same tracepoint. It runs after the first, and does the work if the kernel has
//! skipped that one: then it has left no note for this task.

use core::mem::transmute;

use aya_ebpf::{Global, helpers::generated::bpf_get_current_pid_tgid};
use sensor_ebpf::{Note, PREEMPT_DISABLE, PREEMPT_ENABLE, Relieved};

use super::{count::count_relieved, maps::DONE};

/// Whether programs have reliefs; set by the loader.
#[unsafe(no_mangle)]
pub static RELIEFS: Global<u32> = Global::new(0);

/// The work of a program.
#[inline(always)]
pub fn first(program: Relieved, body: impl FnOnce()) {
    // Without a note the relief does the work: it is done here only if there is one.
    if RELIEFS.load() != 0 && DONE.insert(&note(program), &1, 0).is_err() {
        return;
    }
    keeping_the_cpu(body);
}

/// The same work, for an event for which the kernel has skipped the program.
///
/// It is missed if the kernel skips this one too, since on this CPU another task was preempted
/// in the few instructions of its own relief. That is told: skipped, and not relieved.
#[inline(always)]
pub fn relief(program: Relieved, body: impl FnOnce()) {
    if DONE.remove(&note(program)).is_err() {
        keeping_the_cpu(|| {
            count_relieved(program);
            body();
        });
    }
}

/// That a program has run for the current task.
#[inline(always)]
fn note(program: Relieved) -> Note {
    Note {
        // SAFETY: the helper has no preconditions.
        task: unsafe { bpf_get_current_pid_tgid() },
        program: program as u64,
    }
}

/// Runs something during which no other task can take this CPU, as it always was before
/// Linux 7.0; so nothing where the kernel has no such functions (before 6.10).
#[inline(always)]
fn keeping_the_cpu(body: impl FnOnce()) {
    // SAFETY: user space puts the kernel's functions, which take and return nothing, or
    // moves in the place of calls of these numbers.
    let (disable, enable): (extern "C" fn(), extern "C" fn()) = unsafe {
        (
            transmute(PREEMPT_DISABLE as usize),
            transmute(PREEMPT_ENABLE as usize),
        )
    };
    disable();
    body();
    enable();
}
