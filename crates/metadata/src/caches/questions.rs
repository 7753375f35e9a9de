//! Questions to the sources, and the containers that wait for the answers.

use super::{
    Metadata, ROUND,
    entry::{Candidate, Question},
};
use crate::{Container, ContainerId, counters::count};

impl Metadata {
    /// The best description there is now of the container that had this id when the event happened,
    /// also if a better one can still come.
    #[must_use]
    pub fn best(&self, id: &ContainerId, happened: u64) -> Option<&Container> {
        let entry = self.entries.peek(id)?;
        match entry.at(happened) {
            Candidate::One(at) => Some(&entry.generations[at].container),
            Candidate::None | Candidate::Ambiguous => None,
        }
    }

    /// Asks all sources for a container; returns whether an answer can come.
    pub(super) fn ask(&mut self, id: &ContainerId) -> bool {
        let now = self.now;
        let waiting = self.sources.expected(now);
        let Some(entry) = self.entries.peek_mut(id) else {
            return false;
        };
        entry.question = match entry.question {
            Question::Missing { at, .. } => Question::Missing { at, waiting },
            _ if waiting == 0 => Question::Missing { at: now, waiting },
            Question::None | Question::Asked { .. } => Question::Asked { at: now, waiting },
        };
        if waiting == 0 {
            return false;
        }
        count(&self.counters.runtime_lookups_total);
        let full = self.sources.ask(waiting & !entry.unsent, *id);
        if full != 0 {
            count(&self.counters.runtime_queue_full_total);
            entry.unsent |= full;
        }
        true
    }

    /// Asks the questions for which a queue had no room, as far as the queue has room now and an
    /// event still waits.
    pub(super) fn ask_unsent(&mut self) {
        let entries = &mut self.entries;
        self.sources.ask_unsent(ROUND, |id, bit| {
            entries.peek_mut(id).is_some_and(|entry| {
                entry.unsent &= !bit;
                entry.question.waiting() & bit != 0
            })
        });
    }

    /// Removes the questions that had no room and whose entries have left.
    pub(super) fn drop_unsent(&mut self) {
        let entries = &self.entries;
        self.sources.retain_unsent(|id| entries.peek(id).is_some());
    }

    /// One or more sources do not know (more of) the container, or the cache does not wait for them
    /// any more.
    pub(super) fn missing(&mut self, id: &ContainerId, bits: u32) {
        let now = self.now;
        let Some(entry) = self.entries.peek_mut(id) else {
            return;
        };
        match &mut entry.question {
            Question::None => return,
            Question::Asked { waiting, .. } | Question::Missing { waiting, .. } => {
                *waiting &= !bits;
                if *waiting != 0 {
                    return;
                }
            }
        }
        let was_asked = matches!(entry.question, Question::Asked { .. });
        entry.question = Question::Missing {
            at: now,
            waiting: 0,
        };
        let waiters = std::mem::take(&mut entry.waiters);
        if was_asked {
            if entry.generations.is_empty() {
                count(&self.counters.runtime_missing_total);
            }
            self.resolved.push(*id);
        }
        self.complete(*id, &waiters);
    }

    /// Whether the answer about a sandbox is there; if not, container `id` waits for it.
    pub(super) fn is_answered(&mut self, sandbox: ContainerId, id: ContainerId) -> bool {
        if self.sources.is_empty() {
            self.complete(sandbox, &[id]);
            return true;
        }
        let entry = match self.entries.touch(&sandbox) {
            Some(entry) => entry,
            None => self.new_name(sandbox),
        };
        let is_asked = matches!(entry.question, Question::Asked { .. });
        let is_new = entry.generations.is_empty() && !is_asked;
        if is_new {
            // A container names the sandbox, so an answer from before, that nobody knows the
            // sandbox, is out of date.
            entry.question = Question::None;
        }
        if is_asked || is_new && self.ask(&sandbox) {
            if let Some(entry) = self.entries.peek_mut(&sandbox)
                && !entry.waiters.contains(&id)
            {
                entry.waiters.push(id);
            }
            return false;
        }
        self.complete(sandbox, &[id]);
        true
    }
}
