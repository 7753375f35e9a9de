//! The containerds that can be asked.

use tokio::sync::mpsc;

use crate::{enrich::clock::SECOND, event::ContainerId};

/// How long the answer of a containerd that went away is still waited for,
/// while another one is there.
const GRACE: u64 = 30 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Up,
    Down { since: u64, was_up: bool },
}

/// All of them; each has a bit.
pub(super) struct Sources {
    all: Vec<(mpsc::Sender<ContainerId>, State)>,
}

impl Sources {
    pub(super) fn new(senders: Vec<mpsc::Sender<ContainerId>>) -> Self {
        Self {
            all: senders.into_iter().map(|s| (s, State::Starting)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn up(&mut self, source: u8) {
        if let Some((_, state)) = self.all.get_mut(usize::from(source)) {
            *state = State::Up;
        }
    }

    pub(super) fn down(&mut self, source: u8, now: u64) {
        if let Some((_, state)) = self.all.get_mut(usize::from(source))
            && !matches!(state, State::Down { .. })
        {
            *state = State::Down {
                since: now,
                was_up: *state == State::Up,
            };
        }
    }

    /// Those whose answer is worth waiting for: all while none is there.
    pub(super) fn expected(&self, now: u64) -> u8 {
        let any = self.all.iter().any(|(_, state)| *state == State::Up);
        self.all
            .iter()
            .enumerate()
            .filter(|(_, (_, state))| {
                !any || match state {
                    State::Starting | State::Up => true,
                    State::Down { since, was_up } => *was_up && now.saturating_sub(*since) < GRACE,
                }
            })
            .fold(0, |mask, (at, _)| mask | 1 << at)
    }

    /// Asks; the bits of those whose queue is full.
    pub(super) fn ask(&self, mask: u8, id: ContainerId) -> u8 {
        self.all
            .iter()
            .enumerate()
            .filter(|(at, (sender, _))| mask & 1 << at != 0 && sender.try_send(id).is_err())
            .fold(0, |full, (at, _)| full | 1 << at)
    }
}
