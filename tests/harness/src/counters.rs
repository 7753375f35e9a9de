//! What a sensor says at its end about what became of the events.

use std::ops::RangeInclusive;

/// Its last words: lines of `SUBJECT: name=number …`.
#[derive(Clone, Debug)]
pub struct Counters<'a>(&'a str);

impl<'a> Counters<'a> {
    /// The counters in what a sensor wrote to standard error.
    #[must_use]
    pub fn new(stderr: &'a str) -> Self {
        Self(stderr)
    }

    /// A counter of the kernel side, over all kinds of events.
    ///
    /// # Panics
    /// If the sensor did not tell it.
    #[must_use]
    pub fn kernel(&self, name: &str) -> u64 {
        self.sum("kernel ", name)
    }

    /// A counter of the user side.
    ///
    /// # Panics
    /// If the sensor did not tell it.
    #[must_use]
    pub fn user(&self, name: &str) -> u64 {
        self.sum("events:", name)
    }

    /// A counter of the outputs, over all of them.
    ///
    /// # Panics
    /// If the sensor did not tell it.
    #[must_use]
    pub fn output(&self, name: &str) -> u64 {
        self.sum("output ", name)
    }

    /// A figure of the events that waited for their container.
    ///
    /// # Panics
    /// If the sensor did not tell it.
    #[must_use]
    pub fn hold(&self, name: &str) -> u64 {
        self.sum("hold:", name)
    }

    /// So many events, or fewer by those that the kernel is told to have skipped (of anybody),
    /// and by forks that it skipped: such a child is not known to be of the tree that is watched.
    /// Before Linux 7.0 none; from then on a few of tens of thousands on busy CPUs, see
    /// `deploy/support.md`.
    ///
    /// # Panics
    /// If there are more than that.
    #[must_use]
    pub fn all_or_skipped(&self, events: usize, program: &str) -> RangeInclusive<usize> {
        let told = |program: &str| {
            let prefix = format!("skipped by the kernel: {program}=");
            let mut numbers = self.0.lines().filter_map(|line| line.strip_prefix(&prefix));
            numbers.next().map_or(0, |number| {
                let number = number.trim().parse::<usize>();
                number.expect("the sensor told a number")
            })
        };
        let skipped = told(program) + told("process_fork");
        let most = if has_preemptible_tracepoints() { 20 } else { 0 };
        assert!(skipped <= most, "{}", self.0);
        events - skipped..=events
    }

    /// Events that were lost, whatever the cause.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.kernel("ring_full")
            + self.kernel("no_scratch")
            + self.kernel("throttled")
            + self.user("undecodable")
            + self.user("held")
            + self.output("dropped")
    }

    /// Checks that each event was counted once, and that none is missing.
    ///
    /// # Panics
    /// If the counters do not add up.
    pub fn assert_complete(&self) {
        let total = |of: fn(&Self, &str) -> u64, names: &[&str]| -> u64 {
            names.iter().map(|name| of(self, name)).sum()
        };
        let kernel = [
            "filtered_host",
            "filtered_tree",
            "filtered_other",
            "written",
            "ring_full",
            "no_scratch",
            "throttled",
        ];
        assert_eq!(
            self.kernel("seen"),
            total(Self::kernel, &kernel),
            "the kernel side:\n{}",
            self.0
        );
        let received = self.user("received");
        assert_eq!(
            self.kernel("written"),
            received,
            "the ring buffer:\n{}",
            self.0
        );
        let user = ["undecodable", "filtered", "unmatched", "matched", "held"];
        assert_eq!(
            received,
            total(Self::user, &user),
            "the user side:\n{}",
            self.0
        );
        let output = ["written", "spooled", "dropped"];
        assert_eq!(
            self.output("offered"),
            total(Self::output, &output),
            "the outputs:\n{}",
            self.0
        );
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
            "the sensor did not tell `{subject} {name}=`:\n{}",
            self.0
        );
        values.iter().sum()
    }
}

/// From Linux 7.0 on.
fn has_preemptible_tracepoints() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let major = release
        .split('.')
        .next()
        .and_then(|n| n.parse::<u32>().ok());
    major.is_some_and(|major| major >= 7)
}

#[cfg(test)]
mod tests {
    use super::Counters;

    const WORDS: &str = "sensor: ready
kernel exec: seen=5 written=3 filtered_host=2 filtered_tree=0 filtered_other=0 ring_full=0 no_scratch=0 throttled=0
kernel connect: seen=1 written=1 filtered_host=0 filtered_tree=0 filtered_other=0 ring_full=0 no_scratch=0 throttled=0
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
    fn what_an_output_drops_is_lost() {
        assert_eq!(Counters::new(WORDS).lost(), 1);
    }

    #[test]
    #[should_panic(expected = "the user side")]
    fn an_event_that_is_missing_is_noticed() {
        Counters::new(&WORDS.replace("unmatched=1", "unmatched=0")).assert_complete();
    }
}
