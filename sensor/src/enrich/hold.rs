//! Events of containers that are not known yet wait here, in order.
//!
//! ```text
//! push(id, record) ──▶ queue of the container ──resolve(id)──▶ pop(): Resolved
//!                                             ──time is up───▶ pop(): Timeout
//!                                             ──no room──────▶ pop(): Overflow
//! ```
//!
//! Released events go before new ones: [`Hold::pop`] until it gives none, then
//! take the next event.
//!
//! A pure data structure: time is given, in nanoseconds since boot.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::counters::Counters;
use crate::event::ContainerId;

/// How long and how much may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOptions {
    /// Longest time that an event waits. Raise it if containerd answers slowly;
    /// zero turns holding off. Default: 2 s.
    pub time: Duration,
    /// Most events that wait. Default: 65,536.
    pub events: usize,
    /// Most bytes of events that wait. Default: 64 MiB.
    pub bytes: usize,
}

impl Default for HoldOptions {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            events: 1 << 16,
            bytes: 64 << 20,
        }
    }
}

/// Why an event no longer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldOutcome {
    /// It is known what its container is, or that nobody knows it.
    Resolved,
    /// Its time was up.
    Timeout,
    /// There was no more room.
    Overflow,
}

/// An event that no longer waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Its container.
    pub id: ContainerId,
    /// The record.
    pub record: Bytes,
    /// Why.
    pub outcome: HoldOutcome,
    /// How long it waited, nanoseconds.
    pub waited: u64,
}

/// How long events waited that were held at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldStatistics {
    /// Events that were held and released.
    pub released: u64,
    /// Median of the time they waited, nanoseconds, to within 7 %.
    pub median: u64,
    /// Longest time, nanoseconds.
    pub max: u64,
}

struct Held {
    number: u64,
    since: u64,
    record: Bytes,
}

/// Buckets of the histogram for each power of two.
const STEPS: usize = 8;

/// The waiting events.
pub struct Hold {
    options: HoldOptions,
    counters: Arc<Counters>,
    containers: FxHashMap<ContainerId, VecDeque<Held>>,
    /// All that was pushed, oldest first; what was released meanwhile is skipped.
    order: VecDeque<(u64, ContainerId)>,
    ready: VecDeque<Released>,
    next: u64,
    events: usize,
    bytes: usize,
    histogram: Box<[u64; 64 * STEPS]>,
    statistics: HoldStatistics,
}

impl Hold {
    /// An empty one.
    #[must_use]
    pub fn new(options: HoldOptions, counters: Arc<Counters>) -> Self {
        Self {
            options,
            counters,
            containers: FxHashMap::default(),
            order: VecDeque::new(),
            ready: VecDeque::new(),
            next: 0,
            events: 0,
            bytes: 0,
            histogram: Box::new([0; 64 * STEPS]),
            statistics: HoldStatistics::default(),
        }
    }

    /// Whether nothing waits and nothing is ready: the common case.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0 && self.ready.is_empty()
    }

    /// Whether events of this container wait, so that a later one must queue
    /// behind them.
    #[must_use]
    pub fn is_waiting(&self, id: &ContainerId) -> bool {
        self.events != 0 && self.containers.contains_key(id)
    }

    /// Events and bytes that wait.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        (self.events, self.bytes)
    }

    /// Lets an event wait. If there is no room, the oldest events are released
    /// (perhaps this one): call [`Self::pop`] after it.
    pub fn push(&mut self, id: ContainerId, record: Bytes, now: u64) {
        let number = self.next;
        self.next += 1;
        self.events += 1;
        self.bytes += record.len();
        self.containers.entry(id).or_default().push_back(Held {
            number,
            since: now,
            record,
        });
        self.order.push_back((number, id));
        while self.events > self.options.events || self.bytes > self.options.bytes {
            if !self.release_oldest(now, HoldOutcome::Overflow) {
                break;
            }
        }
        self.compact();
    }

    /// Releases all events of a container of which it is now known what it is,
    /// or that nobody knows it.
    pub fn resolve(&mut self, id: &ContainerId, now: u64) {
        if let Some(queue) = self.containers.remove(id) {
            for held in queue {
                self.release(*id, held, now, HoldOutcome::Resolved);
            }
        }
    }

    /// Releases what has waited long enough.
    pub fn expire(&mut self, now: u64) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.release_oldest(now, HoldOutcome::Timeout);
        }
    }

    /// Releases everything, for a stop.
    pub fn drain(&mut self, now: u64) {
        while self.release_oldest(now, HoldOutcome::Timeout) {}
    }

    /// When [`Self::expire`] has something to do, nanoseconds since boot.
    pub fn deadline(&mut self) -> Option<u64> {
        let (number, id) = self.oldest()?;
        let held = self.containers.get(&id)?.front()?;
        debug_assert_eq!(held.number, number, "the oldest is at the front");
        let time = u64::try_from(self.options.time.as_nanos()).unwrap_or(u64::MAX);
        Some(held.since.saturating_add(time))
    }

    /// The next released event; those of one container come in order.
    pub fn pop(&mut self) -> Option<Released> {
        self.ready.pop_front()
    }

    /// How long events waited so far.
    #[must_use]
    pub fn statistics(&self) -> HoldStatistics {
        let mut seen = 0;
        let median = self
            .histogram
            .iter()
            .position(|n| {
                seen += n;
                seen * 2 >= self.statistics.released && seen > 0
            })
            .map_or(0, middle);
        HoldStatistics {
            median: median.min(self.statistics.max),
            ..self.statistics
        }
    }

    /// Number and container of the oldest waiting event.
    fn oldest(&mut self) -> Option<(u64, ContainerId)> {
        while let Some(&(number, id)) = self.order.front() {
            if is_waiting(&self.containers, number, &id) {
                return Some((number, id));
            }
            self.order.pop_front();
        }
        None
    }

    fn release_oldest(&mut self, now: u64, outcome: HoldOutcome) -> bool {
        let Some((_, id)) = self.oldest() else {
            return false;
        };
        self.order.pop_front();
        let Some(queue) = self.containers.get_mut(&id) else {
            return false;
        };
        let held = queue.pop_front();
        if queue.is_empty() {
            self.containers.remove(&id);
        }
        if let Some(held) = held {
            self.release(id, held, now, outcome);
        }
        true
    }

    fn release(&mut self, id: ContainerId, held: Held, now: u64, outcome: HoldOutcome) {
        let waited = now.saturating_sub(held.since);
        self.events -= 1;
        self.bytes -= held.record.len();
        self.statistics.released += 1;
        self.statistics.max = self.statistics.max.max(waited);
        self.histogram[bucket(waited)] += 1;
        let counter = match outcome {
            HoldOutcome::Resolved => &self.counters.hold_resolved_total,
            HoldOutcome::Timeout => &self.counters.hold_timeout_total,
            HoldOutcome::Overflow => &self.counters.hold_overflow_total,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.ready.push_back(Released {
            id,
            record: held.record,
            outcome,
            waited,
        });
    }

    /// Drops what was released from `order`, once it is the greater part of it.
    fn compact(&mut self) {
        if self.order.len() > 2 * self.events + 64 {
            let containers = &self.containers;
            self.order
                .retain(|(number, id)| is_waiting(containers, *number, id));
        }
    }
}

/// Whether the event of that number still waits.
fn is_waiting(
    containers: &FxHashMap<ContainerId, VecDeque<Held>>,
    number: u64,
    id: &ContainerId,
) -> bool {
    containers
        .get(id)
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

/// Middle of a bucket, nanoseconds.
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
#[path = "hold_tests.rs"]
mod tests;
