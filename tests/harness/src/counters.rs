//! The counters that a sensor writes when it stops.

use std::ops::RangeInclusive;

/// The last lines of a sensor: `SUBJECT: name=number …`.
#[derive(Clone, Debug)]
pub struct Counters<'a>(&'a str);

impl<'a> Counters<'a> {
    /// The counters in the standard error of a sensor.
    #[must_use]
    pub fn new(stderr: &'a str) -> Self {
        Self(stderr)
    }

    /// A counter of the kernel side, over all kinds of events.
    ///
    /// # Panics
    /// If the sensor did not report it.
    #[must_use]
    pub fn kernel(&self, name: &str) -> u64 {
        self.sum("kernel ", name)
    }

    /// A counter of user space.
    ///
    /// # Panics
    /// If the sensor did not report it.
    #[must_use]
    pub fn user(&self, name: &str) -> u64 {
        self.sum("events:", name)
    }

    /// A counter of the outputs, over all of them.
    ///
    /// # Panics
    /// If the sensor did not report it.
    #[must_use]
    pub fn output(&self, name: &str) -> u64 {
        self.sum("output ", name)
    }

    /// A figure about events that waited for their container.
    ///
    /// # Panics
    /// If the sensor did not report it.
    #[must_use]
    pub fn hold(&self, name: &str) -> u64 {
        self.sum("hold:", name)
    }

    /// How many events the sensor is allowed to report: `events`, or fewer. Each run of an eBPF
    /// program that the sensor reports as skipped can cost one event; so can each skipped fork,
    /// since the sensor does not know then that the child belongs to the watched process tree.
    /// `programs` are the programs that can make such events, one for each hook mode. Where the
    /// kernel preempts no program it skips no run; elsewhere a few of tens of thousands on busy
    /// CPUs, see `deploy/support.md`.
    ///
    /// # Panics
    /// If the kernel skipped more runs.
    #[must_use]
    pub fn all_or_skipped(&self, events: usize, programs: &[&str]) -> RangeInclusive<usize> {
        let of = |name: &str| name == "process_fork" || programs.contains(&name);
        let skipped = self.skipped().into_iter().filter(|(name, _)| of(name));
        let mut sum = 0;
        for (program, runs) in skipped {
            assert!(may_be_skipped(program) && runs <= 20, "{}", self.0);
            sum += usize::try_from(runs).unwrap_or(usize::MAX);
        }
        events - sum..=events
    }

    /// Events that were lost, summed over all causes.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.losses().iter().map(|(_, events)| events).sum()
    }

    /// The number of lost events for each cause that lost any.
    ///
    /// # Panics
    /// If the sensor did not report the counters.
    #[must_use]
    pub fn losses(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("ring_full", self.kernel("ring_full")),
            ("no_scratch", self.kernel("no_scratch")),
            ("throttled", self.kernel("throttled")),
            ("undecodable", self.user("undecodable")),
            ("held", self.user("held")),
            ("dropped", self.output("dropped")),
        ];
        all.into_iter().filter(|(_, events)| *events > 0).collect()
    }

    /// The number of skipped runs for each eBPF program that the kernel skipped.
    #[must_use]
    pub fn skipped(&self) -> Vec<(&'a str, u64)> {
        let lines = self.0.lines();
        let reported = lines.filter_map(|line| line.strip_prefix("skipped by the kernel: "));
        reported
            .filter_map(|figure| {
                let (program, runs) = figure.split_once('=')?;
                Some((program, runs.trim().parse().ok()?))
            })
            .collect()
    }

    /// Checks that each event was counted once, and that no event is missing.
    ///
    /// # Panics
    /// If the counters do not add up.
    pub fn assert_complete(&self) {
        if let Some(side) = self.incomplete() {
            panic!("{side}:\n{}", self.0);
        }
    }

    /// The first sum that is wrong, with both sides; none if all sums are right.
    ///
    /// # Panics
    /// If the sensor did not report a counter.
    #[must_use]
    pub fn incomplete(&self) -> Option<String> {
        let total = |of: fn(&Self, &str) -> u64, names: &[&str]| -> u64 {
            names.iter().map(|name| of(self, name)).sum()
        };
        let kernel = [
            "filtered_host",
            "filtered_tree",
            "filtered_other",
            "filtered_other_node",
            "written",
            "ring_full",
            "no_scratch",
            "throttled",
        ];
        let received = self.user("received");
        let user = ["undecodable", "filtered", "unmatched", "matched", "held"];
        let output = ["written", "spooled", "dropped"];
        let sides = [
            (
                "the kernel side",
                self.kernel("seen"),
                total(Self::kernel, &kernel),
            ),
            ("the ring buffer", self.kernel("written"), received),
            ("the user side", received, total(Self::user, &user)),
            (
                "the outputs",
                self.output("offered"),
                total(Self::output, &output),
            ),
        ];
        let (side, all, parts) = sides.into_iter().find(|(_, all, parts)| all != parts)?;
        Some(format!("{side}: {all} events, and {parts} in its parts"))
    }

    /// The sum of `name=N` over the lines of a subject.
    fn sum(&self, subject: &str, name: &str) -> u64 {
        let values: Vec<u64> = self
            .0
            .lines()
            .filter(|line| line.starts_with(subject))
            .flat_map(|line| line.split(' '))
            .filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .collect();
        assert!(
            !values.is_empty(),
            "the sensor did not report `{subject} {name}=`:\n{}",
            self.0
        );
        values.iter().sum()
    }
}

/// Whether this kernel can preempt a program and then skips it for other tasks: on tracepoints from
/// Linux 7.0 on, on functions from 5.12 on if the kernel is preemptible.
pub(crate) fn may_be_skipped(program: &str) -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let preempts = name.version().to_string_lossy().contains("PREEMPT");
    skips(program, &release, preempts)
}

fn skips(program: &str, release: &str, preempts: bool) -> bool {
    let mut numbers = release.split(['.', '-']).map(|n| n.parse::<u32>().ok());
    let version = numbers.next().flatten().zip(numbers.next().flatten());
    let on_function = program.starts_with("fexit_");
    let first = if on_function { (5, 12) } else { (7, 0) };
    version.is_some_and(|version| version >= first) && (preempts || !on_function)
}

#[cfg(test)]
mod tests {
    use super::{Counters, skips};

    const WORDS: &str = "sensor: ready
kernel exec: seen=5 written=3 filtered_host=2 filtered_tree=0 filtered_other=0 filtered_other_node=0 ring_full=0 no_scratch=0 throttled=0
kernel connect: seen=1 written=1 filtered_host=0 filtered_tree=0 filtered_other=0 filtered_other_node=0 ring_full=0 no_scratch=0 throttled=0
events: received=4 undecodable=0 filtered=0 unmatched=1 matched=3 held=0 lines=3
output file: offered=3 written=2 spooled=0 dropped=1
";

    #[test]
    fn counters_are_summed_over_the_kinds() {
        let counters = Counters::new(WORDS);
        assert_eq!(counters.kernel("seen"), 6);
        assert_eq!(counters.user("matched"), 3);
        counters.assert_complete();
    }

    #[test]
    fn a_line_that_an_output_drops_is_a_loss() {
        assert_eq!(Counters::new(WORDS).lost(), 1);
    }

    #[test]
    fn each_cause_of_a_loss_is_reported_with_its_number_of_events() {
        let words = WORDS.replace("ring_full=0", "ring_full=2");
        let losses = Counters::new(&words).losses();
        assert_eq!(losses, [("ring_full", 4), ("dropped", 1)]);
    }

    #[test]
    fn skipped_runs_are_reported_by_program() {
        let words = format!("{WORDS}skipped by the kernel: process_exec=3\n");
        assert_eq!(Counters::new(&words).skipped(), [("process_exec", 3)]);
        assert_eq!(Counters::new(WORDS).skipped(), []);
    }

    #[test]
    fn a_kernel_skips_programs_where_it_preempts_them() {
        assert!(skips("fexit_connect", "6.12.9+deb13-amd64", true));
        assert!(!skips("fexit_connect", "6.12.9+deb13-amd64", false));
        assert!(!skips("fexit_connect", "5.10.0-30-amd64", true));
        assert!(!skips("exit_connect", "6.18.44", true));
        assert!(skips("exit_connect", "7.0.0-rc1", false));
        assert!(!skips("exit_connect", "unknown", true));
    }

    #[test]
    #[should_panic(expected = "fexit_call=21")]
    fn more_skipped_runs_than_a_preempted_program_explains_are_noticed() {
        let words = format!("{WORDS}skipped by the kernel: fexit_call=21\n");
        let _ = Counters::new(&words).all_or_skipped(100, &["fexit_call", "exit_call"]);
    }

    #[test]
    #[should_panic(expected = "the user side")]
    fn an_event_that_is_missing_is_noticed() {
        Counters::new(&WORDS.replace("unmatched=1", "unmatched=0")).assert_complete();
    }
}
