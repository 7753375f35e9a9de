//! Keeping the CPU.
//!
//! From Linux 7.0 on tracepoints can be preempted, and so can programs on them. As long as
//! a program that was preempted has not gone on, the kernel skips it for all other tasks of
//! that CPU: their events would be missed for a time slice. And what there is one of for each
//! CPU (scratch memory, counters) would be used by two at once.

use core::mem::transmute;

use sensor_ebpf::{PREEMPT_DISABLE, PREEMPT_ENABLE};

/// Runs something during which no other task can take this CPU, as it always was before
/// Linux 7.0; so nothing where the kernel has no such functions (before 6.10).
#[inline(always)]
pub fn keeping_the_cpu(body: impl FnOnce()) {
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
