//! What a program does about preemption.
//!
//! From Linux 7.0 on tracepoints can be preempted, and so can programs on them. What there is
//! one of for each CPU (scratch memory, counters) would then be used by two at once. And as long
//! as a program that was preempted has not gone on, the kernel skips it for all other tasks of
//! that CPU: their events would be missed for a time slice.
//!
//! So the body of a program keeps the CPU; and of each program there is a second copy, its
//! backup, on the same tracepoint. The backup runs after the first, and does the work if the kernel
//! has skipped the first: then the first has left no note for this task. [`program`] makes both of
//! one body.

use core::mem::transmute;

use aya_ebpf::{Global, helpers::generated::bpf_get_current_pid_tgid};
use sensor_ebpf::{BackedUp, DoneKey, PREEMPT_DISABLE, PREEMPT_ENABLE};

use super::{count::count_backed_up, maps::DONE};

/// Whether programs have backups; set by the loader.
#[unsafe(no_mangle)]
pub static BACKUPS: Global<u32> = Global::new(0);

/// Makes a program and its backup of one body: attributes that say the hook, both names, the
/// context, and the name by which the body calls [`ProgramCopy`].
macro_rules! program {
    (
        $(#[$attribute:meta])*
        ($first:ident, $backup:ident)($ctx:ident: $Context:ty, $copy:ident) -> $Return:ty { $($body:tt)* }
    ) => {
        $(#[$attribute])*
        pub fn $first($ctx: $Context) -> $Return {
            let $copy = $crate::bpf::preempt::ProgramCopy::First;
            $($body)*
            0
        }

        $(#[$attribute])*
        pub fn $backup($ctx: $Context) -> $Return {
            let $copy = $crate::bpf::preempt::ProgramCopy::Backup;
            $($body)*
            0
        }
    };
}
pub(crate) use program;

/// Which of the two copies of a program runs.
#[derive(Clone, Copy)]
pub enum ProgramCopy {
    /// The program itself.
    First,
    /// Its backup.
    Backup,
}

impl ProgramCopy {
    /// Does the work of a program, if this copy is to do it.
    #[inline(always)]
    pub fn run(self, program: BackedUp, body: impl FnOnce()) {
        match self {
            Self::First => first(program, body),
            Self::Backup => backup(program, body),
        }
    }
}

/// The work of a program.
#[inline(always)]
fn first(program: BackedUp, body: impl FnOnce()) {
    // Without a note the backup does the work: the work is done here only if there is a note.
    if BACKUPS.load() != 0 && DONE.insert(&done_key(program), &1, 0).is_err() {
        return;
    }
    keeping_the_cpu(body);
}

/// The same work, for an event for which the kernel has skipped the program.
///
/// The event is missed if the kernel skips the backup too, since on this CPU another task was
/// preempted in the few instructions of its own backup. Such an event is counted: skipped, and not
/// backed up.
#[inline(always)]
fn backup(program: BackedUp, body: impl FnOnce()) {
    if DONE.remove(&done_key(program)).is_err() {
        keeping_the_cpu(|| {
            count_backed_up(program);
            body();
        });
    }
}

/// That a program has run for the current task.
#[inline(always)]
fn done_key(program: BackedUp) -> DoneKey {
    DoneKey {
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
