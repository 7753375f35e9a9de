//! The containerds that the caches can ask.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::{ContainerId, clock::SECOND};

/// How long the caches wait for the answer of a containerd that went away while another one is
/// connected.
const GRACE: u64 = 30 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Up,
    Down { since: u64, was_up: bool },
}

struct Source {
    questions: mpsc::Sender<ContainerId>,
    state: State,
    /// Questions for which the queue had no room, the oldest one first. Each belongs to an entry,
    /// so there are no more of them than entries.
    unsent: VecDeque<ContainerId>,
}

/// All containerds; each has a bit.
pub(super) struct Sources {
    all: Vec<Source>,
}

impl Sources {
    pub(super) fn new(senders: Vec<mpsc::Sender<ContainerId>>) -> Self {
        let source = |questions| Source {
            questions,
            state: State::Starting,
            unsent: VecDeque::new(),
        };
        Self {
            all: senders.into_iter().map(source).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn up(&mut self, source: u8) {
        if let Some(source) = self.all.get_mut(usize::from(source)) {
            source.state = State::Up;
        }
    }

    pub(super) fn down(&mut self, source: u8, now: u64) {
        if let Some(Source { state, .. }) = self.all.get_mut(usize::from(source))
            && !matches!(state, State::Down { .. })
        {
            *state = State::Down {
                since: now,
                was_up: *state == State::Up,
            };
        }
    }

    /// The containerds whose answer the caches wait for: all of them while none is connected.
    pub(super) fn expected(&self, now: u64) -> u8 {
        let any = self.all.iter().any(|source| source.state == State::Up);
        self.all
            .iter()
            .enumerate()
            .filter(|(_, source)| {
                !any || match source.state {
                    State::Starting | State::Up => true,
                    State::Down { since, was_up } => was_up && now.saturating_sub(since) < GRACE,
                }
            })
            .fold(0, |mask, (at, _)| mask | 1 << at)
    }

    /// Asks; returns the bits of the containerds whose queue is full, and which must be asked
    /// later.
    pub(super) fn ask(&mut self, mask: u8, id: ContainerId) -> u8 {
        let mut full = 0;
        for (at, source) in self.all.iter_mut().enumerate() {
            if mask & 1 << at == 0 {
                continue;
            }
            if !source.unsent.is_empty() || source.questions.try_send(id).is_err() {
                source.unsent.push_back(id);
                full |= 1 << at;
            }
        }
        full
    }

    /// Asks the containerd of that bit the questions that had no room and are still `wanted`, while
    /// the queue has room: at most that many of each.
    pub(super) fn ask_unsent(
        &mut self,
        most: usize,
        mut wanted: impl FnMut(&ContainerId, u8) -> bool,
    ) {
        for (at, source) in self.all.iter_mut().enumerate() {
            for _ in 0..most.min(source.unsent.len()) {
                let Ok(room) = source.questions.try_reserve() else {
                    break;
                };
                if let Some(id) = source.unsent.pop_front()
                    && wanted(&id, 1 << at)
                {
                    room.send(id);
                }
            }
        }
    }

    /// Keeps only the questions without room that are still `wanted`.
    pub(super) fn retain_unsent(&mut self, wanted: impl Fn(&ContainerId) -> bool) {
        for Source { unsent, .. } in &mut self.all {
            unsent.retain(&wanted);
            unsent.shrink_to(unsent.len() * 2 + 64);
        }
    }

    /// The largest number of questions without room at one containerd.
    #[cfg(test)]
    pub(super) fn unsent(&self) -> usize {
        let lengths = self.all.iter().map(|source| source.unsent.len());
        lengths.max().unwrap_or(0)
    }
}
