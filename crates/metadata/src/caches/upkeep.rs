//! What keeps the caches true and small.

use super::{
    Metadata,
    entry::{Entry, Generation, Question},
    nanoseconds,
};
use crate::ContainerId;

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
        self.entries.shrink();
        self.drop_unsent();
        self.pods.tidy(before);
        self.stop_waiting();
    }

    /// An entry for a name that has none. For that others go from a full cache, an eighth at a
    /// time: first the names that no living container has, then those that no event named for
    /// longest. Whoever invents names pushes no living container out.
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
