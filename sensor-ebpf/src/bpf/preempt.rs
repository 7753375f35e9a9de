//! Programs that the kernel preempts.
//!
//! From Linux 7.0 on the kernel can preempt tracepoints, and so the programs on them; programs at
//! the exits of functions can be preempted since 5.12, if the kernel is preemptible. Two programs
//! would then use the same per-CPU memory (scratch memory, counters) at once. And until a preempted
//! program has gone on, the kernel skips this program for all other tasks of the CPU, so the sensor
//! would miss their events for a time slice.
//!
//! Therefore the body of a program keeps the CPU, and each program has a second copy, its backup,
//! on the same hook. The backup runs after the first copy, and does the work if the kernel
//! has skipped the first copy: then the map `DONE` has no entry for this task. [`program`] makes
//! both copies from one body.

use core::mem::transmute;

use aya_ebpf::{Global, helpers::generated::bpf_get_current_pid_tgid};
use sensor_ebpf::{BackedUp, DoneKey, PREEMPT_DISABLE, PREEMPT_ENABLE};

use super::{count::count_backed_up, maps::DONE};

/// The hooks whose programs have backups, bits of [`sensor_ebpf::preempted`]; the loader sets this
/// value.
#[unsafe(no_mangle)]
pub static BACKUPS: Global<u32> = Global::new(0);

/// Makes a program and its backup from one body. The macro takes attributes that name the hook,
/// both names, the context, and the name by which the body calls its [`ProgramCopy`].
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
    /// Does the work of a program, if this copy has to do the work.
    #[inline(always)]
    pub fn run(self, program: BackedUp, body: impl FnOnce()) {
        match self {
            Self::First => first(program, body),
            Self::Backup => backup(program, body),
        }
    }
}

/// Runs the body in the program itself.
#[inline(always)]
fn first(program: BackedUp, body: impl FnOnce()) {
    // The backup does the work unless `DONE` has an entry, so this copy does the work only after it
    // has made an entry.
    if BACKUPS.load() & program.preempted() != 0 && DONE.insert(&done_key(program), &1, 0).is_err()
    {
        return;
    }
    keeping_the_cpu(body);
}

/// Runs the body in the backup, for an event for which the kernel has skipped the program.
///
/// The sensor misses the event if the kernel skips the backup too, because another task on this CPU
/// was preempted within the few instructions of its own backup. The counters show such an event:
/// the kernel counts a skipped run, and no backup counts its work.
#[inline(always)]
fn backup(program: BackedUp, body: impl FnOnce()) {
    if DONE.remove(&done_key(program)).is_err() {
        keeping_the_cpu(|| {
            count_backed_up(program);
            body();
        });
    }
}

/// The key in `DONE` of a program that has run for the current task.
#[inline(always)]
fn done_key(program: BackedUp) -> DoneKey {
    DoneKey {
        // SAFETY: the helper has no preconditions.
        task: unsafe { bpf_get_current_pid_tgid() },
        program: program as u64,
    }
}

/// Runs `body` while no other task can take this CPU, as was always so before Linux 7.0. Where the
/// kernel has no such functions (before 6.10) the calls do nothing.
#[inline(always)]
fn keeping_the_cpu(body: impl FnOnce()) {
    // SAFETY: user space replaces calls of these numbers by calls of the kernel's functions, which
    // take and return nothing, or by moves without effect.
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
