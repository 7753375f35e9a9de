//! One name of a container and those that had or have it.

use super::updates::Origin;
use crate::{Container, ContainerId};

/// Most containers of one name that are kept, the newest ones.
const GENERATIONS_MAX: usize = 4;

/// A container that has, or had, the name.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) container: Container,
    pub(super) origin: Origin,
    /// Connection by which it was seen last.
    pub(super) epoch: u32,
    /// When it was created, nanoseconds since boot, never later than it was heard of.
    pub(super) created: u64,
    /// When it was deleted, nanoseconds since boot.
    pub(super) deleted: Option<u64>,
    /// Whether its sandbox is known too, or known to be unknown.
    pub(super) complete: bool,
}

impl Generation {
    fn lived_at(&self, happened: u64) -> bool {
        self.created <= happened && self.deleted.is_none_or(|deleted| happened <= deleted)
    }
}

/// What was asked about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nothing.
    None,
    /// Asked; a bit for each containerd whose answer is missing.
    Asked { waiting: u8 },
    /// Nobody knew it then. `waiting`: asked again since.
    Missing { at: u64, waiting: u8 },
}

impl Question {
    /// A bit for each containerd whose answer is missing.
    pub(super) fn waiting(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Asked { waiting } | Self::Missing { waiting, .. } => waiting,
        }
    }
}

/// A name.
#[derive(Debug)]
pub(super) struct Entry {
    /// Oldest first.
    pub(super) generations: Vec<Generation>,
    pub(super) question: Question,
    /// A bit for each containerd whose queue was full: the name is kept for it.
    pub(super) unsent: u8,
    /// Containers that wait for this sandbox.
    pub(super) waiters: Vec<ContainerId>,
    /// When an event last named it.
    pub(super) used: u64,
}

/// Which container an event belongs to.
pub(super) enum Candidate {
    /// The container with that index.
    One(usize),
    /// Nobody's who is known.
    None,
    /// One of several's.
    Ambiguous,
}

impl Entry {
    pub(super) fn new(now: u64) -> Self {
        Self {
            generations: Vec::new(),
            question: Question::None,
            unsent: 0,
            waiters: Vec::new(),
            used: now,
        }
    }

    /// The container that had the id at time `happened`.
    pub(super) fn at(&self, happened: u64) -> Candidate {
        let mut found = Candidate::None;
        for (at, generation) in self.generations.iter().enumerate() {
            if generation.lived_at(happened) {
                if !matches!(found, Candidate::None) {
                    return Candidate::Ambiguous;
                }
                found = Candidate::One(at);
            }
        }
        found
    }

    /// Takes a description over: news of a container that is known, or a new one.
    pub(super) fn insert(&mut self, mut new: Generation) {
        let same = |old: &&mut Generation| {
            old.origin == new.origin && old.container.created == new.container.created
        };
        if let Some(old) = self.generations.iter_mut().find(same) {
            // A late answer does not revive what was deleted, a new connection's snapshot does.
            if new.epoch == old.epoch {
                new.deleted = old.deleted;
            }
            new.created = old.created;
            new.container.init = new.container.init.or(old.container.init);
            new.container.rootfs = new.container.rootfs.or(old.container.rootfs.take());
            new.complete |= old.complete;
            *old = new;
            return;
        }
        // Only one of an origin can have the name: an older one ended before this began.
        for old in &mut self.generations {
            if old.origin == new.origin && old.container.created < new.container.created {
                let end = old.deleted.unwrap_or(u64::MAX);
                old.deleted = Some(end.min(new.created.saturating_sub(1)));
            } else if old.origin == new.origin {
                let end = old.created.saturating_sub(1);
                new.deleted = Some(new.deleted.unwrap_or(end).min(end));
            }
        }
        self.generations.push(new);
        self.generations.sort_by_key(|g| g.container.created);
        if self.generations.len() > GENERATIONS_MAX {
            self.generations.remove(0);
        }
    }

    /// Marks as deleted who lived then.
    pub(super) fn delete(&mut self, origin: Origin, at: u64) {
        for generation in &mut self.generations {
            if generation.origin == origin && generation.lived_at(at) {
                generation.deleted = Some(at);
            }
        }
    }

    /// Whether a container has the name now.
    pub(super) fn is_alive(&self) -> bool {
        self.generations.iter().any(|g| g.deleted.is_none())
    }

    /// Whether nothing is known and nothing is awaited.
    pub(super) fn is_empty(&self) -> bool {
        self.generations.is_empty() && self.question == Question::None && self.waiters.is_empty()
    }
}
