//! The events that a view lacks, by cause and by place, since it began.

use std::collections::BTreeMap;

use crate::sources::syscall::recording::{KindCounts, ThrottledFrame};

/// The name of the host among containers.
pub(super) const HOST: &str = "host";

/// The counts of the sensor when the view began, and the last ones.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// How many counts have come.
    counts: u64,
    first: BTreeMap<String, u64>,
    last: BTreeMap<String, u64>,
    first_of_places: BTreeMap<String, u64>,
    /// Events that came faster than the view read them.
    pub(super) unread: u64,
}

impl Losses {
    /// Takes the counts of the sensor.
    pub(super) fn count(&mut self, kinds: &[KindCounts]) {
        let mut causes = BTreeMap::new();
        for kind in kinds {
            for (cause, events) in &kind.causes {
                *causes.entry(cause.replace('_', " ")).or_default() += events;
            }
            *causes.entry("for observers only".to_owned()).or_default() += kind.unwatched;
        }
        if self.counts == 0 {
            self.first.clone_from(&causes);
        }
        self.counts += 1;
        self.last = causes;
    }

    /// Takes the throttled events of places since the sensor started. Returns those since the view
    /// began, by short id of the container or [`HOST`].
    pub(super) fn throttled(&mut self, places: &[ThrottledFrame]) -> BTreeMap<String, u64> {
        let short = |place: &ThrottledFrame| {
            let id = place.container.as_ref();
            id.map_or(HOST, |id| id.short()).to_owned()
        };
        let all: BTreeMap<_, _> = places.iter().map(|one| (short(one), one.events)).collect();
        if self.counts <= 1 {
            self.first_of_places.clone_from(&all);
        }
        let since = |(place, events): (String, u64)| {
            let first = self.first_of_places.get(&place).copied().unwrap_or(0);
            (place, events.saturating_sub(first))
        };
        all.into_iter().map(since).collect()
    }

    /// What is lost by cause; none if nobody counts, since lines of JSON are shown.
    pub(super) fn text(&self) -> Option<String> {
        if self.counts == 0 && self.unread == 0 {
            return None;
        }
        let since = |(cause, events): (&String, &u64)| {
            let first = self.first.get(cause).copied().unwrap_or(0);
            (cause.clone(), events.saturating_sub(first))
        };
        let unread = ("not read in time".to_owned(), self.unread);
        let causes = self.last.iter().map(since).chain([unread]);
        let causes = causes.filter(|(_, events)| *events > 0);
        let texts: Vec<_> = causes
            .map(|(cause, events)| format!("{cause} {events}"))
            .collect();
        Some(if texts.is_empty() {
            "none".to_owned()
        } else {
            texts.join(" · ")
        })
    }
}

#[cfg(test)]
mod tests {
    use metadata::ContainerId;

    use super::*;

    fn counts(ring_full: u64, unwatched: u64) -> [KindCounts; 1] {
        [KindCounts {
            causes: [("ring_full".to_owned(), ring_full)].into(),
            unwatched,
            ..KindCounts::default()
        }]
    }

    #[test]
    fn losses_are_those_since_the_view_began_by_cause() {
        let mut losses = Losses::default();
        assert_eq!(losses.text(), None);
        losses.count(&counts(5, 0));
        assert_eq!(losses.text().as_deref(), Some("none"));
        losses.count(&counts(7, 3));
        losses.unread = 4;
        let text = losses.text().unwrap();
        assert_eq!(
            text,
            "for observers only 3 · ring full 2 · not read in time 4"
        );
    }

    #[test]
    fn throttled_events_are_those_of_each_place_since_the_view_began() {
        let mut losses = Losses::default();
        let id = ContainerId::new(&[b'a'; 64]).unwrap();
        let place = |container, events| ThrottledFrame { container, events };
        losses.count(&counts(0, 0));
        losses.throttled(&[place(Some(id), 5)]);
        losses.count(&counts(0, 0));
        let now = losses.throttled(&[place(Some(id), 9), place(None, 2)]);
        let expected = [("aaaaaaaaaaaa".to_owned(), 4), (HOST.to_owned(), 2)];
        assert_eq!(now, expected.into());
    }
}
