//! What is asked, and who waits for the answer.

use super::{Metadata, ROUND, entry::Question};
use crate::{ContainerId, counters::count};

impl Metadata {
    /// Asks all containerds for a container.
    pub(super) fn ask(&mut self, id: &ContainerId) {
        let waiting = self.sources.expected(self.now);
        let Some(entry) = self.entries.peek_mut(id) else {
            return;
        };
        entry.question = match entry.question {
            Question::Missing { at, .. } => Question::Missing { at, waiting },
            Question::None | Question::Asked { .. } => Question::Asked { waiting },
        };
        count(&self.counters.containerd_lookups_total);
        let full = self.sources.ask(waiting & !entry.unsent, *id);
        if full != 0 {
            count(&self.counters.containerd_queue_full_total);
            entry.unsent |= full;
        }
    }

    /// Asks what did not fit, as far as it fits now and somebody still waits for it.
    pub(super) fn ask_unsent(&mut self) {
        let entries = &mut self.entries;
        self.sources.ask_unsent(ROUND, |id, bit| {
            entries.peek_mut(id).is_some_and(|entry| {
                entry.unsent &= !bit;
                entry.question.waiting() & bit != 0
            })
        });
    }

    /// After entries were removed: what did not fit of theirs goes with them.
    pub(super) fn drop_unsent(&mut self) {
        let entries = &self.entries;
        self.sources.retain_unsent(|id| entries.peek(id).is_some());
    }

    /// A containerd (or several) does not know the container, or is not waited for any more.
    pub(super) fn missing(&mut self, id: &ContainerId, bits: u8) {
        let now = self.now;
        let Some(entry) = self.entries.peek_mut(id) else {
            return;
        };
        match &mut entry.question {
            Question::None => return,
            Question::Asked { waiting } | Question::Missing { waiting, .. } => {
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
            count(&self.counters.containerd_missing_total);
            self.resolved.push(*id);
        }
        self.complete(*id, &waiters);
    }

    /// Whether it is clear what a sandbox is; if not, its container `id` waits for it.
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
        if is_asked || (entry.generations.is_empty() && entry.question == Question::None) {
            if !entry.waiters.contains(&id) {
                entry.waiters.push(id);
            }
            if !is_asked {
                self.ask(&sandbox);
            }
            return false;
        }
        self.complete(sandbox, &[id]);
        true
    }
}
