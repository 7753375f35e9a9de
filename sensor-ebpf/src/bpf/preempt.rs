//! What a program does about preemption.
//!
//! From Linux 7.0 on tracepoints can be preempted, and so can programs on them. What there is
//! one of for each CPU (scratch memory, counters) would then be used by two at once. And as long
//! as a program that was preempted has not gone on, the kernel skips it for all other tasks of
//! that CPU: their events would be missed for a time slice.
//!
//! So the body of a program keeps the CPU; and of each program there is a second copy, its
//! relief, on the same tracepoint. It runs after the first, and does the work if the first is
//! in flight for another task, which is why the kernel has skipped it.

use core::{
    mem::transmute,
    ptr::{read_volatile, write_volatile},
};

use aya_ebpf::{Global, helpers::generated::bpf_get_smp_processor_id};
use sensor_ebpf::{Flights, PREEMPT_DISABLE, PREEMPT_ENABLE, Relieved};

use super::maps::FLIGHTS;

/// Whether programs have reliefs; set by the loader.
#[unsafe(no_mangle)]
pub static RELIEFS: Global<u32> = Global::new(0);

/// The work of a program.
#[inline(always)]
pub fn first(program: Relieved, body: impl FnOnce()) {
    if !set_in_flight(program, 1) {
        return;
    }
    keeping_the_cpu(body);
    // Where the CPU was wanted meanwhile, it was taken at the end of `keeping_the_cpu`:
    // the program is in flight until here.
    let _ = set_in_flight(program, 0);
}

/// The same work, for an event for which the kernel has skipped the program: it is in flight.
/// That is not known if it was preempted in the few instructions before or after that is noted;
/// then the event is missed, and counted as such (skipped and not relieved). And it is taken for
/// so, and the work done twice, if this task is preempted between the two programs, and the next
/// one in the first; nobody has seen that yet.
#[inline(always)]
pub fn relief(program: Relieved, body: impl FnOnce()) {
    let Some(flights) = flights() else {
        return;
    };
    // SAFETY: a word of the map's value.
    let in_flight = unsafe { read_volatile(&raw const (*flights).in_flight[program as usize]) };
    if in_flight != 0 {
        relieve(program, flights, body);
    }
}

/// The same, where it can be seen whether the work was done.
#[inline(always)]
pub fn relief_if(missed: bool, program: Relieved, body: impl FnOnce()) {
    if missed && let Some(flights) = flights() {
        relieve(program, flights, body);
    }
}

#[inline(always)]
fn relieve(program: Relieved, flights: *mut Flights, body: impl FnOnce()) {
    keeping_the_cpu(|| {
        // SAFETY: this CPU's word of the map's value, and nobody else has the CPU.
        unsafe { (*flights).relieved[program as usize] += 1 }
        body();
    });
}

/// Those of this CPU. A task is not moved to another one while it runs a program.
#[inline(always)]
fn flights() -> Option<*mut Flights> {
    // SAFETY: the helper has no preconditions.
    FLIGHTS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
}

/// False never happens, but the verifier wants to hear it; and to go on there too would double
/// its paths.
#[inline(always)]
fn set_in_flight(program: Relieved, value: u64) -> bool {
    if RELIEFS.load() == 0 {
        return true;
    }
    let Some(flights) = flights() else {
        return false;
    };
    // SAFETY: this CPU's word of this program, which the kernel does not run twice on a CPU.
    unsafe { write_volatile(&raw mut (*flights).in_flight[program as usize], value) };
    true
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
