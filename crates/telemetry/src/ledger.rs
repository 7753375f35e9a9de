//! What becomes of the events of a source, by kind: each event is counted once.
//!
//! *seen = filtered + unmatched + matched + Σ lost by cause*, and what is in flight.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// A kind of events: the unit in which a source counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in metrics and in records of the sensor's own.
    pub name: &'static str,
    /// Under which name Falco counts what a full buffer loses of it (`execve`, `connect`, …).
    pub buffer: &'static str,
}

impl Kind {
    /// A kind that Falco counts among the others (`other_interest`).
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            buffer: "other_interest",
        }
    }
}

/// What a count says of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The source saw them.
    Seen,
    /// The source handed them over.
    Captured,
    /// No rule wants them: the source left them out.
    Filtered,
    /// They are lost.
    Lost,
    /// They lack a part, or have one that is cut; counted elsewhere, too.
    Incomplete,
}

/// So many events of a kind, and what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// What the count says of them.
    pub meaning: Meaning,
    /// The reason, the cause or the part; a name in metrics.
    pub name: &'static str,
    /// How many.
    pub events: u64,
}

/// Reads what a source counts before its events reach the rules: the counts of each kind.
pub type SourceCounts = Box<dyn Fn() -> Vec<Vec<Count>> + Send + Sync>;

/// The counts of one source. Only the thread of the source writes them; no locks, no allocation.
pub struct Ledger {
    source: &'static str,
    kinds: Box<[(Kind, Entry)]>,
    causes: &'static [&'static str],
    counts: OnceLock<SourceCounts>,
}

/// What became of the events of a kind that the source handed over.
#[derive(Debug)]
struct Entry {
    received: AtomicU64,
    passed_over: AtomicU64,
    unmatched: AtomicU64,
    matched: AtomicU64,
    lines: AtomicU64,
    lost: Box<[AtomicU64]>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("source", &self.source)
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// An empty ledger for a source of that name. `causes` are those of losses behind the
    /// source's own counts.
    #[must_use]
    pub fn new(
        source: &'static str,
        kinds: impl IntoIterator<Item = Kind>,
        causes: &'static [&'static str],
    ) -> Self {
        let entry = || Entry {
            received: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
            unmatched: AtomicU64::new(0),
            matched: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            lost: causes.iter().map(|_| AtomicU64::new(0)).collect(),
        };
        Self {
            source,
            kinds: kinds.into_iter().map(|kind| (kind, entry())).collect(),
            causes,
            counts: OnceLock::new(),
        }
    }

    /// Where the counts are that the source keeps itself. A source without such counts has seen
    /// what it has received. Only the first call has an effect.
    pub fn set_counts(&self, counts: SourceCounts) {
        // A source starts once.
        let _ = self.counts.set(counts);
    }

    /// The rules' side takes an event.
    pub fn received(&self, kind: usize) {
        self.add(kind, |entry| &entry.received, 1);
    }

    /// No rule is asked about an event that was received: it is of a place that no rule wants.
    pub fn passed_over(&self, kind: usize) {
        self.add(kind, |entry| &entry.passed_over, 1);
    }

    /// The rules have been asked about an event, and made so many lines of it.
    pub fn evaluated(&self, kind: usize, lines: u64) {
        if lines == 0 {
            self.add(kind, |entry| &entry.unmatched, 1);
        } else {
            self.add(kind, |entry| &entry.matched, 1);
            self.add(kind, |entry| &entry.lines, lines);
        }
    }

    /// An event that was received is lost, for the cause of that number.
    pub fn lost(&self, kind: usize, cause: usize) {
        if let Some((_, entry)) = self.kinds.get(kind)
            && let Some(count) = entry.lost.get(cause)
        {
            add(count, 1);
        }
    }

    fn add(&self, kind: usize, of: fn(&Entry) -> &AtomicU64, events: u64) {
        if let Some((_, entry)) = self.kinds.get(kind) {
            add(of(entry), events);
        }
    }

    /// All counts as they are now.
    #[must_use]
    pub fn totals(&self) -> SourceTotals {
        // The source's own first: what it has counted may be done by the time the rest is read,
        // but not the other way round.
        let own = self.counts.get().map(|read| read());
        let kinds = self.kinds.iter().enumerate().map(|(index, (kind, entry))| {
            let received = entry.received.load(Relaxed);
            let seen = |name| Count {
                meaning: Meaning::Seen,
                name,
                events: received,
            };
            let own = own.as_ref().and_then(|kinds| kinds.get(index));
            let own = own.map_or_else(|| vec![seen("seen")], Clone::clone);
            let lost = self.causes.iter().zip(&entry.lost);
            let lost = lost.map(|(name, events)| Count {
                meaning: Meaning::Lost,
                name,
                events: events.load(Relaxed),
            });
            KindTotals {
                kind: *kind,
                counts: own.into_iter().chain(lost).collect(),
                received,
                passed_over: entry.passed_over.load(Relaxed),
                unmatched: entry.unmatched.load(Relaxed),
                matched: entry.matched.load(Relaxed),
                lines: entry.lines.load(Relaxed),
            }
        });
        SourceTotals {
            source: self.source,
            kinds: kinds.collect(),
        }
    }
}

/// Nobody else writes: no locked addition is needed.
fn add(count: &AtomicU64, events: u64) {
    count.store(count.load(Relaxed).wrapping_add(events), Relaxed);
}

/// The counts of a source at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTotals {
    /// The source's name.
    pub source: &'static str,
    /// The counts of each kind, in the order of the kinds' numbers.
    pub kinds: Vec<KindTotals>,
}

/// The counts of a kind at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindTotals {
    /// Which kind.
    pub kind: Kind,
    /// The source's own counts, and the losses behind them.
    pub counts: Vec<Count>,
    /// Events that the rules' side has taken.
    pub received: u64,
    /// Of these, those about which no rule was asked.
    pub passed_over: u64,
    /// Of these, those that no rule matched.
    pub unmatched: u64,
    /// Of these, those that a rule matched, once each.
    pub matched: u64,
    /// Lines made of them.
    pub lines: u64,
}

impl SourceTotals {
    /// The sum of something over all kinds.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&KindTotals) -> u64) -> u64 {
        self.kinds.iter().map(of).sum()
    }

    /// *seen = filtered + unmatched + matched + Σ lost by cause*, for each kind.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.kinds.iter().all(|kind| kind.in_flight() == 0)
    }
}

impl KindTotals {
    /// Events of all counts that say the same.
    #[must_use]
    pub fn of(&self, meaning: Meaning) -> u64 {
        let counts = self.counts.iter();
        let same = counts.filter(|count| count.meaning == meaning);
        same.map(|count| count.events).sum()
    }

    /// Events of the count of that name.
    #[must_use]
    pub fn named(&self, meaning: Meaning, name: &str) -> u64 {
        let counts = self.counts.iter();
        let same = counts.filter(|count| count.meaning == meaning && count.name == name);
        same.map(|count| count.events).sum()
    }

    /// Events that the source saw.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.of(Meaning::Seen)
    }

    /// Events that no rule wants: the source left them out.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.of(Meaning::Filtered)
    }

    /// Events that are lost, wherever.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.of(Meaning::Lost)
    }

    /// Events that match no rule, whether rules were asked or not.
    #[must_use]
    pub fn without_match(&self) -> u64 {
        self.passed_over + self.unmatched
    }

    /// Events that are on their way: 0 at rest, and negative never.
    #[must_use]
    pub fn in_flight(&self) -> i128 {
        let done = self.filtered() + self.matched + self.without_match() + self.lost();
        i128::from(self.seen()) - i128::from(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Kind = Kind {
        name: "a",
        buffer: "a",
    };
    const B: Kind = Kind {
        name: "b",
        buffer: "b",
    };

    #[test]
    fn every_event_that_was_seen_is_accounted_for() {
        let ledger = Ledger::new("s", [A, B], &["undecodable"]);
        (0..5).for_each(|_| ledger.evaluated(0, 2));
        ledger.evaluated(0, 0);
        ledger.lost(0, 0);
        ledger.passed_over(0);
        ledger.set_counts(Box::new(|| {
            let count = |meaning, name, events| Count {
                meaning,
                name,
                events,
            };
            let a = vec![
                count(Meaning::Seen, "seen", 20),
                count(Meaning::Filtered, "host", 9),
                count(Meaning::Lost, "ring_full", 3),
            ];
            vec![a, Vec::new()]
        }));
        let totals = ledger.totals();
        assert!(totals.is_balanced(), "{totals:?}");
        assert_eq!(totals.kinds[0].lost(), 4);
        assert_eq!(totals.kinds[0].lines, 10);
        ledger.evaluated(1, 1);
        assert_eq!(ledger.totals().kinds[1].in_flight(), -1);
    }

    #[test]
    fn a_source_that_counts_nothing_itself_has_seen_what_it_received() {
        let ledger = Ledger::new("s", [A], &[]);
        ledger.received(0);
        ledger.received(0);
        ledger.evaluated(0, 0);
        let totals = ledger.totals();
        assert_eq!(
            (totals.kinds[0].seen(), totals.kinds[0].in_flight()),
            (2, 1)
        );
    }

    #[test]
    fn counts_of_what_is_not_there_are_no_panic() {
        let ledger = Ledger::new("s", [A], &[]);
        ledger.received(7);
        ledger.lost(0, 7);
        assert!(ledger.totals().is_balanced());
    }
}
