//! Upkeep of the caches: removes what has ended, and keeps every cache within its limit.

use super::{
    Metadata, Origin,
    entry::{Entry, Generation, Question},
    nanoseconds,
};
use crate::ContainerId;

impl Metadata {
    /// Marks containers as deleted that a source's snapshot does not have.
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

    /// Marks containers as alive that a snapshot has unchanged.
    pub(super) fn listed(&mut self, origin: Origin, epoch: u32, ids: &[ContainerId]) {
        for id in ids {
            let generations = self.entries.peek_mut(id).map(|e| &mut e.generations);
            for generation in generations.into_iter().flatten() {
                if generation.origin == origin && generation.deleted.is_none() {
                    generation.epoch = generation.epoch.max(epoch);
                }
            }
        }
    }

    /// Gives up questions to sources from which no answer is expected any more.
    pub(super) fn stop_waiting(&mut self) {
        let lost = |entry: &Entry| match entry.question {
            Question::Asked { at, waiting } => self.sources.lost(waiting, at, self.now),
            _ => 0,
        };
        let all = self.entries.iter().map(|(id, entry)| (*id, lost(entry)));
        let given_up: Vec<_> = all.filter(|(_, lost)| *lost != 0).collect();
        for (id, lost) in given_up {
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
        self.entries.shrink();
        self.drop_unsent();
        self.pods.tidy(before);
        self.stop_waiting();
    }

    /// Makes an entry for an id that has none. In a full cache an eighth of the entries leaves at a
    /// time: first ids without a living container, then those that no event named for longest. So
    /// invented ids never push out a living container.
    pub(super) fn new_name(&mut self, id: ContainerId) -> &mut Entry {
        if self.entries.is_full() {
            let mut eighth = self.entries.len() / 8 + 1;
            let pods = &mut self.pods;
            for living in [false, true] {
                eighth -= self.entries.evict_where(eighth, |id, entry| {
                    let goes = living || !entry.is_alive();
                    if goes {
                        for pod in entry
                            .generations
                            .iter()
                            .filter_map(|g| g.container.pod.as_ref())
                        {
                            pods.leave(id, &pod.uid);
                        }
                    }
                    goes
                });
            }
            self.drop_unsent();
        }
        let now = self.now;
        self.entries.touch_or_insert_with(id, || Entry::new(now))
    }
}
