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

use core::{
    mem::transmute,
    ptr::{read_volatile, write_volatile},
};

use aya_ebpf::{Global, helpers::generated::bpf_get_current_pid_tgid};
use sensor_ebpf::{DONE_TASKS, PREEMPT_DISABLE, PREEMPT_ENABLE, Relieved};

use super::{count::count_relieved, maps::DONE};

/// Whether programs have reliefs; set by the loader.
#[unsafe(no_mangle)]
pub static RELIEFS: Global<u32> = Global::new(0);

/// The work of a program.
#[inline(always)]
pub fn first(program: Relieved, body: impl FnOnce()) {
    if RELIEFS.load() != 0 {
        // There is always a place; and to go on without one would double the verifier's paths.
        let Some(note) = Note::of_current_task(program) else {
            return;
        };
        note.leave();
    }
    keeping_the_cpu(body);
}

/// The same work, for an event for which the kernel has skipped the program.
///
/// It is missed if the kernel skips this one too, since on this CPU another task was preempted
/// in the few instructions of its own relief. That is told: skipped, and not relieved.
#[inline(always)]
pub fn relief(program: Relieved, body: impl FnOnce()) {
    let Some(note) = Note::of_current_task(program) else {
        return;
    };
    if !note.take() {
        keeping_the_cpu(|| {
            count_relieved(program);
            body();
        });
    }
}

/// That a program has run for the current task.
struct Note {
    place: *mut u64,
    task: u64,
}

impl Note {
    /// Two tasks have the same place only if their ids are a multiple of [`DONE_TASKS`] apart,
    /// and are in each other's way only if both are between program and relief at a time.
    #[inline(always)]
    fn of_current_task(program: Relieved) -> Option<Self> {
        // SAFETY: the helper has no preconditions.
        let task = unsafe { bpf_get_current_pid_tgid() };
        let place = program as usize * DONE_TASKS + task as usize % DONE_TASKS;
        Some(Self {
            place: DONE.get_ptr_mut(place as u32)?,
            task,
        })
    }

    #[inline(always)]
    fn leave(&self) {
        // SAFETY: the map's value.
        unsafe { write_volatile(self.place, self.task) }
    }

    /// Whether it was left.
    #[inline(always)]
    fn take(&self) -> bool {
        // SAFETY: the map's value.
        let left = unsafe { read_volatile(self.place) } == self.task;
        if left {
            // SAFETY: as above.
            unsafe { write_volatile(self.place, 0) }
        }
        left
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
