//! The kernel's figures of the loaded programs.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aya::programs::ProgramFd;
use sensor_ebpf::BackedUp;

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
    state: Mutex<State>,
    counts: KernelCounts,
    /// The hooks on which tasks preempt programs, so that each program has a backup; bits of
    /// [`sensor_ebpf::preempted`].
    backups: u32,
}

#[derive(Debug, Default)]
struct State {
    loaded: Vec<(&'static Hook, ProgramFd)>,
    /// The last figures of programs that the sensor has forgotten: the counts of a program that
    /// the sensor loads again begin at 0, those of its backup go on.
    forgotten: Sums,
    /// Runs of a backup while its program was not attached: the kernel had skipped nothing.
    alone: Vec<(BackedUp, u64)>,
}

/// The kernel's figures by program, with a hook of each.
#[derive(Clone, Debug, Default)]
struct Sums(Vec<(&'static Hook, ProgramFigures)>);

impl Sums {
    /// Adds figures. The kernel has a program on functions once for each function.
    fn add(&mut self, hook: &'static Hook, figures: ProgramFigures) {
        let mut sums = self.0.iter_mut();
        match sums.find(|(of, _)| of.program == hook.program) {
            Some((_, sum)) => sum.add(&figures),
            None => self.0.push((hook, figures)),
        }
    }
}

impl State {
    /// The figures since the start of the programs for which `of` is true.
    fn sums(&self, of: impl Fn(&Hook) -> bool) -> Sums {
        let mut sums = self.forgotten.clone();
        sums.0.retain(|(hook, _)| of(hook));
        for (hook, fd) in self.loaded.iter().filter(|(hook, _)| of(hook)) {
            if let Some(figures) = figures(fd) {
                sums.add(hook, figures);
            }
        }
        sums
    }

    /// Forgets the programs for whose hooks `keep` is false, but not their figures.
    fn retain(&mut self, keep: impl Fn(&Hook) -> bool) {
        let Self {
            loaded, forgotten, ..
        } = self;
        for (hook, fd) in loaded.extract_if(.., |(hook, _)| !keep(hook)) {
            if let Some(figures) = figures(&fd) {
                forgotten.add(hook, figures);
            }
        }
    }

    /// How often the backup ran without its program.
    fn alone(&self, program: BackedUp) -> u64 {
        let mut alone = self.alone.iter().filter(|(of, _)| *of == program);
        alone.next().map_or(0, |(_, runs)| *runs)
    }

    fn add_alone(&mut self, program: BackedUp, runs: u64) {
        match self.alone.iter_mut().find(|(of, _)| *of == program) {
            Some((_, sum)) => *sum += runs,
            None => self.alone.push((program, runs)),
        }
    }
}

impl Programs {
    /// No programs yet.
    pub(super) fn new(counts: KernelCounts, backups: u32) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            counts,
            backups,
        }))
    }

    /// Adds a program that the sensor has just loaded.
    pub(super) fn add(&self, hook: &'static Hook, fd: &ProgramFd) -> io::Result<()> {
        let fd = fd.try_clone()?;
        self.state().loaded.push((hook, fd));
        Ok(())
    }

    /// Forgets the programs for whose hooks `keep` is false, but not their figures.
    pub(super) fn retain(&self, keep: impl Fn(&Hook) -> bool) {
        self.state().retain(keep);
    }

    /// By how much the runs of the backup of this hook's program exceed the skipped runs of the
    /// program: only runs without the program make the number grow.
    pub(super) fn balance(&self, hook: &Hook) -> i128 {
        let of_program = |of: &Hook| of.number == hook.number && !of.is_backup;
        let sums = self.state().sums(of_program);
        let skipped: u64 = sums.0.iter().filter_map(|(_, sum)| sum.skipped).sum();
        i128::from(self.0.counts.backed_up(hook.number)) - i128::from(skipped)
    }

    /// Records how often a backup ran alone since [`Self::balance`] was `before`.
    pub(super) fn keep_balance(&self, hook: &Hook, before: i128) {
        let alone = u64::try_from(self.balance(hook) - before).unwrap_or(0);
        self.state().add_alone(hook.number, alone);
    }

    /// By how much the runs of the backups exceed the skipped runs of their programs, without those
    /// in which a backup was alone: 0, or less if the kernel skipped both copies. Only tests ask.
    #[must_use]
    pub fn unexplained(&self) -> i128 {
        let hooks = self.state().sums(|hook| !hook.is_backup).0;
        let alone = |hook: &Hook| i128::from(self.state().alone(hook.number));
        let hooks = hooks.iter().map(|(hook, _)| *hook);
        hooks.map(|hook| self.balance(hook) - alone(hook)).sum()
    }

    /// The figures of each program since the start, without those that the kernel does not report.
    #[must_use]
    pub fn read(&self) -> Vec<ProgramFigures> {
        let state = self.state();
        let backed_up = |number| {
            let runs = self.0.counts.backed_up(number);
            runs.saturating_sub(state.alone(number))
        };
        let figures = state.sums(|_| true).0.into_iter();
        let figures = figures.map(|(hook, sum)| ProgramFigures {
            program: hook.program,
            ..sum.of_events(hook, self.0.backups, backed_up(hook.number))
        });
        figures.collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The kernel's figures of a loaded program.
fn figures(fd: &ProgramFd) -> Option<ProgramFigures> {
    let fd = fd.as_fd().as_raw_fd();
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"));
    text.ok().map(|text| parse(&text))
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
