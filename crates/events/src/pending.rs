//! The hold: events that wait, in order, until their subject (a container) is known.
//!
//! ```text
//! push(key, event) ──▶ queue of the key ──resolve(key)──▶ pop(): Resolved
//!                                       ──time is up────▶ pop(): Timeout
//!                                       ──no room───────▶ pop(): Overflow
//! ```
//!
//! Released events go before new ones: call [`PendingEvents::pop`] until it returns none, then take
//! the next event.
//!
//! A pure data structure: the caller passes the time, in nanoseconds since boot.

use std::{
    collections::VecDeque,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustc_hash::FxHashMap;

/// Limits of the hold: how long and how many events wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOptions {
    /// Longest time that an event waits; zero: no event waits. Default: 2 s.
    pub time: Duration,
    /// Most events that wait. Default: 65,536.
    pub events: usize,
    /// Most bytes of events that wait. Default: 64 MiB.
    pub bytes: usize,
}

impl Default for PendingOptions {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            events: 1 << 16,
            bytes: 64 << 20,
        }
    }
}

/// Why the hold released an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Release {
    /// The subject is known, or it is certain that nobody knows the subject.
    Resolved,
    /// The event had waited for the longest time.
    Timeout,
    /// The hold was full.
    Overflow,
}

/// Counts of released events by reason, shared with the metrics.
#[derive(Debug, Default)]
pub struct ReleaseCounts {
    /// See [`Release::Resolved`].
    pub resolved: AtomicU64,
    /// See [`Release::Timeout`].
    pub timeout: AtomicU64,
    /// See [`Release::Overflow`].
    pub overflow: AtomicU64,
}

impl ReleaseCounts {
    /// Name and count of each reason.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("resolved", &self.resolved),
            ("timeout", &self.timeout),
            ("overflow", &self.overflow),
        ]
        .map(|(name, count)| (name, count.load(Relaxed)))
        .into_iter()
    }
}

/// An event that the hold has released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released<K, T> {
    /// Its subject.
    pub key: K,
    /// The event.
    pub event: T,
    /// Why the hold released it.
    pub outcome: Release,
    /// How long the event waited, in nanoseconds.
    pub waited: u64,
}

/// How long events waited, of those that were held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingStatistics {
    /// Events that were held and released.
    pub released: u64,
    /// Median of their waits in nanoseconds, to within 7 %.
    pub median: u64,
    /// Longest wait in nanoseconds.
    pub max: u64,
}

struct Waiting<T> {
    number: u64,
    since: u64,
    bytes: usize,
    event: T,
}

/// Buckets of the histogram for each power of two.
const STEPS: usize = 8;

/// The waiting events.
pub struct PendingEvents<K, T> {
    options: PendingOptions,
    counts: Arc<ReleaseCounts>,
    queues: FxHashMap<K, VecDeque<Waiting<T>>>,
    /// Keys of all events in the order of their arrival; released events stay in here for a while.
    order: VecDeque<(u64, K)>,
    ready: VecDeque<Released<K, T>>,
    next: u64,
    events: usize,
    bytes: usize,
    histogram: Box<[u64; 64 * STEPS]>,
    statistics: PendingStatistics,
}

impl<K: Copy + Eq + Hash, T> PendingEvents<K, T> {
    /// An empty hold.
    #[must_use]
    pub fn new(options: PendingOptions, counts: Arc<ReleaseCounts>) -> Self {
        Self {
            options,
            counts,
            queues: FxHashMap::default(),
            order: VecDeque::new(),
            ready: VecDeque::new(),
            next: 0,
            events: 0,
            bytes: 0,
            histogram: Box::new([0; 64 * STEPS]),
            statistics: PendingStatistics::default(),
        }
    }

    /// The limits of the hold.
    #[must_use]
    pub fn options(&self) -> &PendingOptions {
        &self.options
    }

    /// Whether the hold is empty, which is the common case.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0 && self.ready.is_empty()
    }

    /// Whether events of this subject wait: a later event must queue behind them.
    #[must_use]
    pub fn is_waiting(&self, key: &K) -> bool {
        self.events != 0 && self.queues.contains_key(key)
    }

    /// Number and bytes of the events that wait.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        (self.events, self.bytes)
    }

    /// Adds an event of that many bytes. If the hold is full, it releases the oldest events
    /// (perhaps this one): call [`Self::pop`] afterwards.
    pub fn push(&mut self, key: K, event: T, bytes: usize, now: u64) {
        let number = self.next;
        self.next += 1;
        self.events += 1;
        self.bytes += bytes;
        self.queues.entry(key).or_default().push_back(Waiting {
            number,
            since: now,
            bytes,
            event,
        });
        self.order.push_back((number, key));
        while self.events > self.options.events || self.bytes > self.options.bytes {
            if !self.release_oldest(now, Release::Overflow) {
                break;
            }
        }
        self.compact();
    }

    /// Releases all events of a subject that is known now, or about which it is certain that nobody
    /// knows it.
    pub fn resolve(&mut self, key: &K, now: u64) {
        if let Some(queue) = self.queues.remove(key) {
            for held in queue {
                self.release(*key, held, now, Release::Resolved);
            }
        }
    }

    /// Releases the events that have waited for the longest time.
    pub fn expire(&mut self, now: u64) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.release_oldest(now, Release::Timeout);
        }
    }

    /// Releases all events, for a stop.
    pub fn drain(&mut self, now: u64) {
        while self.release_oldest(now, Release::Timeout) {}
    }

    /// When [`Self::expire`] has work to do, in nanoseconds since boot.
    pub fn deadline(&mut self) -> Option<u64> {
        let (number, key) = self.oldest()?;
        let held = self.queues.get(&key)?.front()?;
        debug_assert_eq!(held.number, number, "the oldest is at the front");
        let time = u64::try_from(self.options.time.as_nanos()).unwrap_or(u64::MAX);
        Some(held.since.saturating_add(time))
    }

    /// The next released event; events of one subject come in order.
    pub fn pop(&mut self) -> Option<Released<K, T>> {
        self.ready.pop_front()
    }

    /// The waits of all events so far.
    #[must_use]
    pub fn statistics(&self) -> PendingStatistics {
        let mut seen = 0;
        let median = self
            .histogram
            .iter()
            .position(|n| {
                seen += n;
                seen * 2 >= self.statistics.released && seen > 0
            })
            .map_or(0, middle);
        PendingStatistics {
            median: median.min(self.statistics.max),
            ..self.statistics
        }
    }

    /// Number and subject of the oldest waiting event.
    fn oldest(&mut self) -> Option<(u64, K)> {
        while let Some(&(number, key)) = self.order.front() {
            if is_waiting(&self.queues, number, &key) {
                return Some((number, key));
            }
            self.order.pop_front();
        }
        None
    }

    fn release_oldest(&mut self, now: u64, outcome: Release) -> bool {
        let Some((_, key)) = self.oldest() else {
            return false;
        };
        self.order.pop_front();
        let Some(queue) = self.queues.get_mut(&key) else {
            return false;
        };
        let held = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&key);
        }
        if let Some(held) = held {
            self.release(key, held, now, outcome);
        }
        true
    }

    fn release(&mut self, key: K, held: Waiting<T>, now: u64, outcome: Release) {
        let waited = now.saturating_sub(held.since);
        self.events -= 1;
        self.bytes -= held.bytes;
        self.statistics.released += 1;
        self.statistics.max = self.statistics.max.max(waited);
        self.histogram[bucket(waited)] += 1;
        let count = match outcome {
            Release::Resolved => &self.counts.resolved,
            Release::Timeout => &self.counts.timeout,
            Release::Overflow => &self.counts.overflow,
        };
        count.fetch_add(1, Relaxed);
        self.ready.push_back(Released {
            key,
            event: held.event,
            outcome,
            waited,
        });
    }

    /// Drops released events from `order` once they are its greater part.
    fn compact(&mut self) {
        if self.order.len() > 2 * self.events + 64 {
            let queues = &self.queues;
            self.order
                .retain(|(number, key)| is_waiting(queues, *number, key));
        }
    }
}

/// Whether the event with that number still waits.
fn is_waiting<K: Eq + Hash, T>(
    queues: &FxHashMap<K, VecDeque<Waiting<T>>>,
    number: u64,
    key: &K,
) -> bool {
    queues
        .get(key)
        .and_then(VecDeque::front)
        .is_some_and(|front| front.number <= number)
}

/// Bucket of a time: [`STEPS`] for each power of two.
fn bucket(nanoseconds: u64) -> usize {
    let Some(power) = nanoseconds.checked_ilog2() else {
        return 0;
    };
    let step = (nanoseconds << (63 - power)) >> 60 & 7;
    power as usize * STEPS + usize::try_from(step).unwrap_or(0)
}

/// Middle of a bucket in nanoseconds.
fn middle(bucket: usize) -> u64 {
    let power = bucket / STEPS;
    let steps = (2 * (STEPS + bucket % STEPS) + 1) as u64;
    if power >= 4 {
        steps << (power - 4)
    } else {
        1 << power
    }
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
