//! What keeps the caches true and small.

use super::{
    Metadata,
    entry::{Entry, Generation, Question},
    nanoseconds,
};
use crate::counters::add;

impl Metadata {
    /// What a containerd no longer has was deleted while it was away.
    pub(super) fn reconcile(&mut self, source: u8, epoch: u32) {
        let now = self.now;
        for generation in self.entries.values_mut().flat_map(|e| &mut e.generations) {
            if generation.origin.source == source
                && generation.epoch < epoch
                && generation.deleted.is_none()
            {
                generation.deleted = Some(now);
            }
        }
    }

    /// No longer waits for containerds that are not expected to answer.
    pub(super) fn stop_waiting(&mut self) {
        let lost = !self.sources.expected(self.now);
        let waiting: Vec<_> = self
            .entries
            .iter()
            .filter(
                |(_, e)| matches!(e.question, Question::Asked { waiting } if waiting & lost != 0),
            )
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            self.missing(&id, lost);
        }
    }

    pub(super) fn tidy(&mut self) {
        let before = self.now.saturating_sub(nanoseconds(self.options.deleted));
        let unused = self
            .now
            .saturating_sub(2 * nanoseconds(self.options.missing));
        let pods = &mut self.pods;
        self.entries.retain(|id, entry| {
            let is_old = |g: &Generation| g.deleted.is_some_and(|deleted| deleted <= before);
            entry.generations.retain(|g| {
                let old = is_old(g);
                if old && let Some(pod) = &g.container.pod {
                    pods.leave(id, &pod.uid);
                }
                !old
            });
            if entry.used <= unused && entry.generations.is_empty() {
                entry.question = Question::None;
                entry.waiters.clear();
            }
            !entry.is_empty()
        });
        self.entries.shrink_to(self.entries.len() * 2 + 64);
        self.drop_unsent();
        self.pods.tidy(before);
        self.stop_waiting();
    }

    /// Before one more is inserted: forgets an eighth of the containers, if there are too many.
    pub(super) fn make_room(&mut self) {
        if self.entries.len() < self.options.containers.max(8) {
            return;
        }
        // Deleted ones first, then those that no event named for longest.
        let age = |e: &Entry| {
            let is_alive = e.generations.iter().any(|g| g.deleted.is_none());
            (is_alive, e.used)
        };
        let mut ages: Vec<_> = self.entries.values().map(age).collect();
        let eighth = ages.len() / 8;
        let (_, &mut limit, _) = ages.select_nth_unstable(eighth);
        let before = self.entries.len();
        let mut left = eighth + 1;
        let pods = &mut self.pods;
        self.entries.retain(|id, entry| {
            let keep = left == 0 || age(entry) > limit;
            if !keep {
                left -= 1;
                for generation in &entry.generations {
                    if let Some(pod) = &generation.container.pod {
                        pods.leave(id, &pod.uid);
                    }
                }
            }
            keep
        });
        self.drop_unsent();
        add(
            &self.counters.containers_evicted_total,
            before - self.entries.len(),
        );
    }
}
