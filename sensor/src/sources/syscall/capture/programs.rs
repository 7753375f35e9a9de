//! The kernel's figures of the loaded programs.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aya::programs::ProgramFd;

use super::{Hook, KernelCounts};

/// The kernel's figures of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFigures {
    /// Name of the program.
    pub program: &'static str,
    /// Runs while the kernel's statistics were on (`kernel.bpf_stats_enabled`).
    pub runs: u64,
    /// Nanoseconds that these runs took.
    pub nanoseconds: u64,
    /// Runs that the kernel skipped because the CPU was already running the program, without the
    /// runs whose work the backup did. None before 5.12, since such kernels do not report the
    /// number. None for a backup. None also for a program that runs in interrupts too, where the
    /// kernel does not preempt programs: only an interrupt, which has no event, can then find the
    /// program running.
    pub skipped: Option<u64>,
}

/// The loaded programs; a clone refers to the same ones.
#[derive(Clone, Debug)]
pub struct Programs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    loaded: Mutex<Vec<(&'static Hook, ProgramFd)>>,
    counts: KernelCounts,
    /// The hooks on which tasks preempt programs, so that each program has a backup; bits of
    /// [`sensor_ebpf::preempted`].
    backups: u32,
}

impl Programs {
    /// No programs yet.
    pub(super) fn new(counts: KernelCounts, backups: u32) -> Self {
        Self(Arc::new(Inner {
            loaded: Mutex::default(),
            counts,
            backups,
        }))
    }

    /// Adds a program that the sensor has just loaded.
    pub(super) fn add(&self, hook: &'static Hook, fd: &ProgramFd) -> io::Result<()> {
        let fd = fd.try_clone()?;
        self.loaded().push((hook, fd));
        Ok(())
    }

    /// Forgets the programs for whose hooks `keep` is false.
    pub(super) fn retain(&self, keep: impl Fn(&Hook) -> bool) {
        self.loaded().retain(|(hook, _)| keep(hook));
    }

    /// The figures of each program, without those that the kernel does not report.
    #[must_use]
    pub fn read(&self) -> Vec<ProgramFigures> {
        let mut sums: Vec<(&'static Hook, ProgramFigures)> = Vec::new();
        for (hook, fd) in self.loaded().iter() {
            let fd = fd.as_fd().as_raw_fd();
            let Ok(text) = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")) else {
                continue;
            };
            let figures = parse(&text);
            // The kernel has a program on functions once for each function.
            match sums.iter_mut().find(|(of, _)| of.program == hook.program) {
                Some((_, sum)) => sum.add(&figures),
                None => sums.push((hook, figures)),
            }
        }
        let figures = sums.into_iter().map(|(hook, sum)| ProgramFigures {
            program: hook.program,
            ..sum.of_events(hook, self.0.backups, self.0.counts.backed_up(hook.number))
        });
        figures.collect()
    }

    fn loaded(&self) -> MutexGuard<'_, Vec<(&'static Hook, ProgramFd)>> {
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgramFigures {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.nanoseconds += other.nanoseconds;
        self.skipped = self.skipped.zip(other.skipped).map(|(a, b)| a + b);
    }

    /// Keeps as skipped only runs that may have had an event and whose work no backup did.
    fn of_events(self, hook: &Hook, backups: u32, backed_up: u64) -> Self {
        let has_events = !hook.is_backup && (hook.has_backup(backups) || !hook.in_interrupts);
        let missed = |skipped: u64| skipped.saturating_sub(backed_up);
        Self {
            skipped: self.skipped.filter(|_| has_events).map(missed),
            ..self
        }
    }
}

fn parse(text: &str) -> ProgramFigures {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':')?.trim().parse::<u64>().ok()
    };
    ProgramFigures {
        program: "",
        runs: value("run_cnt").unwrap_or(0),
        nanoseconds: value("run_time_ns").unwrap_or(0),
        skipped: value("recursion_misses"),
    }
}

#[cfg(test)]
mod tests {
    use sensor_ebpf::preempted::TRACEPOINTS;

    use super::{super::hook_table::HOOKS, *};

    #[test]
    fn figures_are_read_from_the_kernels_text() {
        let new = "pos:\t0\nrun_time_ns:\t1234\nrun_cnt:\t5\nrecursion_misses:\t6\n";
        let figures = parse(new);
        assert_eq!((figures.runs, figures.nanoseconds), (5, 1234));
        assert_eq!(figures.skipped, Some(6));
        assert_eq!(parse("run_cnt:\t5\n").skipped, None);
    }

    /// The skipped runs that the figures report, when the kernel skipped six runs of a program.
    fn skipped(program: &str, backups: u32, backed_up: u64) -> Option<u64> {
        let hook = HOOKS.iter().find(|hook| hook.program == program)?;
        let figures = parse("recursion_misses:\t6\n");
        figures.of_events(hook, backups, backed_up).skipped
    }

    #[test]
    fn runs_whose_work_a_backup_did_do_not_count_as_skipped() {
        assert_eq!(skipped("process_exec", TRACEPOINTS, 4), Some(2));
        assert_eq!(skipped("process_exec", TRACEPOINTS, 7), Some(0));
        assert_eq!(skipped("exec_backup", TRACEPOINTS, 4), None);
    }

    #[test]
    fn skipped_runs_in_interrupts_count_only_where_tasks_preempt_programs() {
        assert_eq!(skipped("process_exec", 0, 0), Some(6));
        assert_eq!(skipped("sock_state", 0, 0), None);
        assert_eq!(skipped("sock_state", TRACEPOINTS, 2), Some(4));
    }
}
