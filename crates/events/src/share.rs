//! Which events are those of this process, while one process takes over from another.
//!
//! Both processes see each event, and each gives it a time of its own. So the time alone would
//! double or miss events near the moment of the takeover. The former process tells the
//! *fingerprints* of the events around that moment, with its own times: [`Around`]. The next process
//! finds out with a [`Border`] which of its events the former one has taken.

use std::collections::{HashMap, hash_map::Entry};

use serde::{Deserialize, Serialize};

/// The largest difference between the times that two processes give one event, in nanoseconds. Both
/// programs run one after the other in the thread that causes the event; on a busy machine the
/// kernel may let another thread run in between.
pub const SKEW: u64 = 100_000_000;

/// A share of the events. Times are nanoseconds since boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// All events.
    Whole,
    /// All events; those around that time are noted, since another process may take over then.
    Proposed(u64),
    /// The events before that time, and those around it are noted. The others are for the next
    /// process.
    Until(u64),
    /// No event: another process takes all.
    Nothing,
    /// No event yet. Those from that time on, and [`SKEW`] before, wait for [`Share::Rest`].
    From(u64),
    /// The events that the former process has not taken.
    Rest(Around),
}

/// The events around the moment of a takeover, as the former process saw them. A fingerprint is a
/// number made of what both processes see alike; events with the same fingerprint are those of one
/// thread, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Around {
    /// The moment of the takeover.
    pub at: u64,
    /// The process has noted each event that it saw, from 2 [`SKEW`] before the moment until this
    /// time.
    pub until: u64,
    /// Fingerprints and times of events that the process has taken.
    pub taken: Vec<(u64, u64)>,
    /// Fingerprints and times of events that it has left to the next process.
    pub left: Vec<(u64, u64)>,
}

impl Around {
    /// A moment around which no event is known: the time alone decides.
    #[must_use]
    pub fn nothing(at: u64) -> Self {
        Self {
            at,
            until: at,
            ..Self::default()
        }
    }
}

/// What the former process saw of the events with one fingerprint.
#[derive(Debug, Default)]
struct Seen {
    /// The time of the last one that it has taken.
    taken: Option<u64>,
    /// The time of the first one that it has left.
    left: Option<u64>,
    /// Whether an event that lies between both was already assigned.
    crossed: bool,
}

/// Tells the events that the former process has taken from the others.
#[derive(Debug)]
pub struct Border {
    at: u64,
    until: u64,
    seen: HashMap<u64, Seen>,
}

impl Border {
    /// The border that the former process describes.
    #[must_use]
    pub fn new(around: &Around) -> Self {
        let mut seen: HashMap<u64, Seen> = HashMap::new();
        for (fingerprint, time) in &around.taken {
            let seen = seen.entry(*fingerprint).or_default();
            seen.taken = seen.taken.max(Some(*time));
        }
        for (fingerprint, time) in &around.left {
            let seen = seen.entry(*fingerprint).or_default();
            seen.left = Some(seen.left.map_or(*time, |first| first.min(*time)));
        }
        Self {
            at: around.at,
            until: around.until,
            seen,
        }
    }

    /// Whether all later events belong to this process.
    #[must_use]
    pub fn is_behind(&self, time: u64) -> bool {
        time > self.at.max(self.until).saturating_add(SKEW)
    }

    /// Whether the former process has taken the event with that fingerprint, to which this process
    /// gives that time. Call this once for each event, in the order of the ring buffer.
    ///
    /// A thread runs the programs of both processes for one event before it goes on to the next
    /// one, so the times of different events of a thread do not cross. Of the events with one
    /// fingerprint only those between the last that was taken and the first that was left are in
    /// doubt, at most two: the nearer one is it.
    pub fn is_taken(&mut self, fingerprint: u64, time: u64) -> bool {
        let Entry::Occupied(mut entry) = self.seen.entry(fingerprint) else {
            return time < self.at;
        };
        let seen = entry.get_mut();
        let is_first = !std::mem::replace(&mut seen.crossed, true);
        let in_doubt = match (seen.taken, seen.left) {
            (Some(taken), _) if time <= taken => {
                seen.crossed = !is_first;
                return true;
            }
            (_, Some(left)) if time >= left => return false,
            (Some(taken), Some(left)) => time - taken <= left - time,
            // The former process saw no other event of that thread until then.
            (Some(_), None) => time <= self.until.saturating_add(SKEW),
            (None, _) => false,
        };
        is_first && in_doubt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 10 * SKEW;

    fn border(taken: &[u64], left: &[u64]) -> Border {
        let with = |times: &[u64]| times.iter().map(|time| (7, *time)).collect();
        Border::new(&Around {
            at: AT,
            until: AT + 2 * SKEW,
            taken: with(taken),
            left: with(left),
        })
    }

    #[test]
    fn an_event_is_matched_by_its_fingerprint_and_not_by_its_time() {
        let mut border = border(&[AT - 1], &[]);
        assert!(border.is_taken(7, AT + SKEW));
        assert!(!border.is_taken(8, AT));
        assert!(border.is_taken(8, AT - 1), "the time alone decides");
        let mut border = self::border(&[], &[AT]);
        assert!(!border.is_taken(7, AT - SKEW));
    }

    #[test]
    fn a_border_without_events_is_the_time_alone() {
        let mut border = Border::new(&Around::nothing(AT));
        assert!(border.is_taken(7, AT - 1) && !border.is_taken(7, AT));
        assert!(!border.is_behind(AT + SKEW) && border.is_behind(AT + SKEW + 1));
    }

    /// Both processes see the same events of one thread, which cannot be told apart.
    #[test]
    fn of_events_that_look_alike_each_is_taken_once_whichever_process_is_first() {
        let (former, next) = (0_u64, 1);
        for first in [former, next] {
            for pace in [20, 1000] {
                let events: Vec<u64> = (0..100).map(|n| AT - 50 * pace + pace * n).collect();
                let own = |who| move |time: &u64| time + if who == first { 0 } else { 3 };
                let seen: Vec<u64> = events.iter().map(own(former)).collect();
                let (taken, left) = seen.iter().partition::<Vec<u64>, _>(|time| **time < AT);
                let mut border = border(&taken, &left);
                let mine = events.iter().map(own(next));
                let written = mine.filter(|time| !border.is_taken(7, *time)).count();
                assert_eq!(written + taken.len(), events.len(), "{first} {pace}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_event_is_lost_or_doubled_whatever_the_skews_of_unlike_events(
            events in proptest::collection::vec((0..4 * SKEW, 0..SKEW, 0..SKEW), 1..200),
        ) {
            let mut around = Around { at: AT, until: AT + 2 * SKEW, ..Around::default() };
            let events: Vec<_> = events.into_iter().enumerate().map(|(n, (at, former, next))| {
                (n as u64, AT - 2 * SKEW + at, former, next)
            }).collect();
            for (n, at, former, _) in &events {
                let time = at + former;
                if time < AT {
                    around.taken.push((*n, time));
                } else if time <= around.until {
                    around.left.push((*n, time));
                }
            }
            let mut border = Border::new(&around);
            for (n, at, former, next) in &events {
                let is_taken = border.is_taken(*n, at + next);
                proptest::prop_assert_eq!(is_taken, at + former < AT);
            }
        }
    }
}
