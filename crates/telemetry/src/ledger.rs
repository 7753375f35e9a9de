//! The ledger: counts what happens to the events of a source, by kind; each event counts once.
//!
//! *seen = filtered + unmatched + matched + Σ lost by cause*, plus events that are on their way.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// A kind of events, for which a source counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in metrics and in internal records.
    pub name: &'static str,
    /// The name under which Falco counts the kind's losses in a full buffer (`execve`, `connect`,
    /// …).
    pub buffer: &'static str,
}

impl Kind {
    /// A kind whose losses Falco counts under `other_interest`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            buffer: "other_interest",
        }
    }
}

/// What a count means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The source saw them.
    Seen,
    /// The source handed the events over.
    Captured,
    /// The source left the events out, because no rule wants them.
    Filtered,
    /// The events are lost.
    Lost,
    /// A part of the event is missing or cut; these events are in another count, too.
    Incomplete,
    /// Observers lack the events, and no rule wants them; these events are in another count, too.
    Unwatched,
}

/// A number of events of a kind, and what happened to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// What the count says of them.
    pub meaning: Meaning,
    /// The reason, the cause or the part: a label value in metrics.
    pub name: &'static str,
    /// The number of events.
    pub events: u64,
}

/// Reads the counts that a source keeps before its events reach the rules, for each kind: what it
/// has seen last, so that no event is done that the source has not seen.
pub type SourceCounts = Box<dyn Fn() -> Vec<Vec<Count>> + Send + Sync>;

/// The counts of one source. Only the thread of the source writes them, without locks or
/// allocations.
pub struct Ledger {
    source: &'static str,
    kinds: Box<[(Kind, Entry)]>,
    causes: &'static [&'static str],
    counts: OnceLock<SourceCounts>,
}

/// The counts of a kind after the source handed its events over.
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
    /// An empty ledger for a source with that name. `causes` are the causes of losses that the
    /// source itself does not count.
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

    /// Sets where the source's own counts come from. A source without own counts has seen what it
    /// has received. Only the first call has an effect.
    pub fn set_counts(&self, counts: SourceCounts) {
        // A source starts once.
        let _ = self.counts.set(counts);
    }

    /// The source has received an event.
    pub fn received(&self, kind: usize) {
        self.add(kind, |entry| &entry.received, 1);
    }

    /// No rule was evaluated for a received event: it happened in a place that no rule wants.
    pub fn passed_over(&self, kind: usize) {
        self.add(kind, |entry| &entry.passed_over, 1);
    }

    /// Rules were evaluated for an event, and wrote `lines` lines.
    pub fn evaluated(&self, kind: usize, lines: u64) {
        if lines == 0 {
            self.add(kind, |entry| &entry.unmatched, 1);
        } else {
            self.add(kind, |entry| &entry.matched, 1);
            self.add(kind, |entry| &entry.lines, lines);
        }
    }

    /// A received event is lost, for the cause with that number.
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

    /// All counts at this moment.
    #[must_use]
    pub fn totals(&self) -> SourceTotals {
        // The source's own counts last: an event that comes meanwhile may be in them and not in
        // the others, but not the other way round.
        let mut kinds: Vec<_> = self.kinds.iter().map(|kind| self.after(kind)).collect();
        let own = self.counts.get().map(|read| read());
        for (index, kind) in kinds.iter_mut().enumerate() {
            let own = own.as_ref().and_then(|kinds| kinds.get(index));
            let received = || {
                vec![Count {
                    meaning: Meaning::Seen,
                    name: "seen",
                    events: kind.received,
                }]
            };
            let own = own.map_or_else(received, Clone::clone);
            kind.counts.splice(0..0, own);
        }
        SourceTotals {
            source: self.source,
            kinds,
        }
    }

    /// The counts of a kind without the source's own ones.
    fn after(&self, (kind, entry): &(Kind, Entry)) -> KindTotals {
        let lost = self.causes.iter().zip(&entry.lost);
        let lost = lost.map(|(name, events)| Count {
            meaning: Meaning::Lost,
            name,
            events: events.load(Relaxed),
        });
        KindTotals {
            kind: *kind,
            counts: lost.collect(),
            passed_over: entry.passed_over.load(Relaxed),
            unmatched: entry.unmatched.load(Relaxed),
            matched: entry.matched.load(Relaxed),
            lines: entry.lines.load(Relaxed),
            // Last, as the counts of a source.
            received: entry.received.load(Relaxed),
        }
    }
}

/// Only one thread writes, so the addition needs no locked instruction.
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
    /// The kind.
    pub kind: Kind,
    /// The source's own counts, and the losses after them.
    pub counts: Vec<Count>,
    /// Events that the source has received.
    pub received: u64,
    /// Received events for which no rule was evaluated.
    pub passed_over: u64,
    /// Received events for which rules were evaluated, and that none matched.
    pub unmatched: u64,
    /// Received events that at least one rule matched.
    pub matched: u64,
    /// Lines of these events.
    pub lines: u64,
}

impl SourceTotals {
    /// The sum of a count over all kinds.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&KindTotals) -> u64) -> u64 {
        self.kinds.iter().map(of).sum()
    }

    /// Whether *seen = filtered + unmatched + matched + Σ lost by cause* holds for each kind.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.kinds.iter().all(|kind| kind.in_flight() == 0)
    }
}

impl KindTotals {
    /// Events in all counts with that meaning.
    #[must_use]
    pub fn of(&self, meaning: Meaning) -> u64 {
        let counts = self.counts.iter();
        let same = counts.filter(|count| count.meaning == meaning);
        same.map(|count| count.events).sum()
    }

    /// Events in the count with that name.
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

    /// Events that no rule wants, whether the source left them out or no rule was evaluated.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.of(Meaning::Filtered) + self.passed_over
    }

    /// Events that are lost, for any cause.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.of(Meaning::Lost)
    }

    /// Events that are on their way: 0 at rest. Never negative if the source reads what it has seen
    /// after its other counts.
    #[must_use]
    pub fn in_flight(&self) -> i128 {
        let done = self.filtered() + self.matched + self.unmatched + self.lost();
        i128::from(self.seen()) - i128::from(done)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        assert_eq!(totals.kinds[0].filtered(), 10);
        assert_eq!(totals.kinds[0].unmatched, 1);
        assert_eq!(totals.kinds[0].lines, 10);
        ledger.evaluated(1, 1);
        assert_eq!(ledger.totals().kinds[1].in_flight(), -1);
    }

    #[test]
    fn an_event_that_comes_while_the_counts_are_read_is_not_done_before_it_was_seen() {
        let ledger = Arc::new(Ledger::new("s", [A], &[]));
        let of_the_source = Arc::clone(&ledger);
        ledger.set_counts(Box::new(move || {
            let seen = Count {
                meaning: Meaning::Seen,
                name: "seen",
                events: 0,
            };
            of_the_source.evaluated(0, 1);
            vec![vec![seen]]
        }));
        assert_eq!(ledger.totals().kinds[0].in_flight(), 0);
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
