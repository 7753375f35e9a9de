//! What a sensor says at its end about what became of the events.

/// The figures of its last words: `kernel NAME: N` and `user Counts { name: N, … }`.
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
        self.after(&format!("kernel {name}: "))
    }

    /// A counter of the user side.
    ///
    /// # Panics
    /// If the sensor did not tell it.
    #[must_use]
    pub fn user(&self, name: &str) -> u64 {
        self.after(&format!(" {name}: "))
    }

    /// Events that were lost, whatever the cause.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.kernel("RingFull") + self.kernel("NoScratch") + self.user("undecodable")
    }

    /// Checks that each event was counted once, and that none is missing.
    ///
    /// # Panics
    /// If the counters do not add up.
    pub fn assert_complete(&self) {
        let filtered = ["FilteredHost", "FilteredTree", "FilteredOther"];
        let filtered: u64 = filtered.iter().map(|name| self.kernel(name)).sum();
        let gone = self.kernel("RingFull") + self.kernel("NoScratch");
        let written = self.kernel("Written");
        assert_eq!(
            self.kernel("Seen"),
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

    fn after(&self, label: &str) -> u64 {
        let value = self.0.rsplit_once(label).and_then(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        });
        value.unwrap_or_else(|| panic!("the sensor did not tell{label}its counter:\n{}", self.0))
    }
}
