//! Upkeep of the caches: removes what has ended, and keeps every cache within its limit.

use super::{
    Metadata,
    entry::{Entry, Generation, Question},
    nanoseconds,
};
use crate::ContainerId;

impl Metadata {
    /// Marks containers as deleted that a containerd does not list after a new connection.
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

    /// Gives up questions to containerds from which no answer is expected any more.
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
