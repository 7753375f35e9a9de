//! What a sensor says at its end about what became of the events.

/// The figures of its last words, `NAME=N`, in lines that begin `kernel KIND:`,
/// `events:` and `output NAME:`.
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

    /// Events that were lost, whatever the cause.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.kernel("ring_full") + self.kernel("no_scratch") + self.user("undecodable")
    }

    /// Checks that each event was counted once, and that none is missing.
    ///
    /// # Panics
    /// If the counters do not add up.
    pub fn assert_complete(&self) {
        let filtered = ["filtered_host", "filtered_tree", "filtered_other"];
        let filtered: u64 = filtered.iter().map(|name| self.kernel(name)).sum();
        let gone = self.kernel("ring_full") + self.kernel("no_scratch");
        let written = self.kernel("written");
        assert_eq!(
            self.kernel("seen"),
            filtered + written + gone,
            "the kernel side:\n{}",
            self.0
        );
        assert_eq!(
            written,
            self.user("received"),
            "the ring buffer:\n{}",
            self.0
        );
        let known: u64 = ["undecodable", "filtered", "unmatched", "matched"]
            .iter()
            .map(|name| self.user(name))
            .sum();
        assert_eq!(self.user("received"), known, "the user side:\n{}", self.0);
    }

    /// The counter of that name in all lines that begin so.
    fn sum(&self, prefix: &str, name: &str) -> u64 {
        let values: Vec<u64> = self
            .0
            .lines()
            .filter(|line| line.starts_with(prefix))
            .flat_map(|line| line.split(' '))
            .filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .collect();
        assert!(
            !values.is_empty(),
            "the sensor did not tell its counter {name}:\n{}",
            self.0
        );
        values.iter().sum()
    }
}
