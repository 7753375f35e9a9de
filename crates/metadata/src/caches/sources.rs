//! The sources that the caches can ask: container runtimes, and the API server.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::{ContainerId, clock::SECOND};

/// How long the caches wait for the answer of a runtime that went away while another one is
/// connected.
const GRACE: u64 = 30 * SECOND;
/// How long the caches wait for the API server to announce a container: it takes no questions.
const ANNOUNCEMENT: u64 = 5 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Up,
    Down {
        since: u64,
        was_up: bool,
        is_absent: bool,
    },
}

struct Source {
    /// None: the source takes no questions.
    questions: Option<mpsc::Sender<ContainerId>>,
    state: State,
    /// Questions for which the queue had no room, the oldest one first. Each belongs to an entry,
    /// so there are no more of them than entries.
    unsent: VecDeque<ContainerId>,
}

/// All sources; each has a bit.
pub(super) struct Sources {
    all: Vec<Source>,
}

impl Sources {
    /// The runtimes by their queues, and at last the API server, if it is used.
    pub(super) fn new(senders: Vec<mpsc::Sender<ContainerId>>, with_server: bool) -> Self {
        let source = |questions| Source {
            questions,
            state: State::Starting,
            unsent: VecDeque::new(),
        };
        let senders = senders.into_iter().map(Some);
        Self {
            all: senders
                .chain(with_server.then_some(None))
                .map(source)
                .collect(),
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

    pub(super) fn down(&mut self, source: u8, is_absent: bool, now: u64) {
        if let Some(Source { state, .. }) = self.all.get_mut(usize::from(source)) {
            let (since, was_up) = match *state {
                State::Down { since, was_up, .. } => (since, was_up),
                State::Starting | State::Up => (now, *state == State::Up),
            };
            *state = State::Down {
                since,
                was_up,
                is_absent,
            };
        }
    }

    /// The sources whose answer the caches wait for. Nobody waits for a runtime that the node does
    /// not have, nor for the API server while a runtime answers.
    pub(super) fn expected(&self, now: u64) -> u32 {
        let is_up = |source: &Source| source.questions.is_some() && source.state == State::Up;
        let any = self.all.iter().any(is_up);
        let is_expected = |source: &Source| match source.state {
            _ if source.questions.is_none() => !any && source.state == State::Up,
            State::Starting | State::Up => true,
            State::Down {
                was_up: false,
                is_absent,
                ..
            } => !any && !is_absent,
            State::Down { since, .. } => !any || now.saturating_sub(since) < GRACE,
        };
        self.mask(is_expected)
    }

    /// Those of the sources in a mask from which no answer comes any more, to a question of that
    /// time.
    pub(super) fn lost(&self, mask: u32, asked: u64, now: u64) -> u32 {
        let lost = mask & !self.expected(now);
        let passive = self.mask(|source| source.questions.is_none());
        if mask & !lost & !passive == 0 && now.saturating_sub(asked) >= ANNOUNCEMENT {
            mask
        } else {
            lost
        }
    }

    fn mask(&self, holds: impl Fn(&Source) -> bool) -> u32 {
        let all = self.all.iter().enumerate();
        all.filter(|(_, source)| holds(source))
            .fold(0, |mask, (at, _)| mask | 1 << at)
    }

    /// Asks; returns the bits of the sources whose queue is full, and which must be asked later.
    pub(super) fn ask(&mut self, mask: u32, id: ContainerId) -> u32 {
        let mut full = 0;
        for (at, source) in self.all.iter_mut().enumerate() {
            let Some(questions) = source.questions.as_ref().filter(|_| mask & 1 << at != 0) else {
                continue;
            };
            if !source.unsent.is_empty() || questions.try_send(id).is_err() {
                source.unsent.push_back(id);
                full |= 1 << at;
            }
        }
        full
    }

    /// Asks the source of that bit the questions that had no room and are still `wanted`, while the
    /// queue has room: at most that many of each.
    pub(super) fn ask_unsent(
        &mut self,
        most: usize,
        mut wanted: impl FnMut(&ContainerId, u32) -> bool,
    ) {
        for (at, source) in self.all.iter_mut().enumerate() {
            let Some(questions) = &source.questions else {
                continue;
            };
            for _ in 0..most.min(source.unsent.len()) {
                let Ok(room) = questions.try_reserve() else {
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

    /// The largest number of questions without room at one source.
    #[cfg(test)]
    pub(super) fn unsent(&self) -> usize {
        let lengths = self.all.iter().map(|source| source.unsent.len());
        lengths.max().unwrap_or(0)
    }
}
