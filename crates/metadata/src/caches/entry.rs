//! One container id, and the containers that had or have it.

use std::cmp::Ordering;

use super::updates::{Detail, Origin};
use crate::{Container, ContainerId};

/// Most containers with one id that the cache keeps; newer ones replace older ones.
const GENERATIONS_MAX: usize = 8;

/// A container that has, or had, the id.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) container: Container,
    pub(super) origin: Origin,
    pub(super) detail: Detail,
    /// The snapshot in which the source reported the container last.
    pub(super) epoch: u32,
    /// When the container was created, in nanoseconds since boot; never later than the first
    /// report.
    pub(super) created: u64,
    /// When the container was deleted, in nanoseconds since boot.
    pub(super) deleted: Option<u64>,
    /// Whether the sandbox of the container is known too, or known to be unknown.
    pub(super) complete: bool,
}

impl Generation {
    /// Which of two descriptions with one id counts; equal if they may be of different containers.
    /// An id of 64 hexadecimal digits belongs to one container, whoever describes it; any other name
    /// is unique only to its source and namespace.
    fn compare(&self, other: &Self) -> Ordering {
        let by_source = || {
            if self.container.id.is_hexadecimal() {
                // The first source counts.
                other.origin.source.cmp(&self.origin.source)
            } else {
                Ordering::Equal
            }
        };
        self.detail.cmp(&other.detail).then_with(by_source)
    }

    fn lived_at(&self, happened: u64) -> bool {
        self.created <= happened && self.deleted.is_none_or(|deleted| happened <= deleted)
    }
}

/// The state of the question to the sources about one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nobody asked.
    None,
    /// Somebody asked at that time; a bit for each source whose answer is missing.
    Asked { at: u64, waiting: u32 },
    /// No source knew the id at that time, or knew more of it than it has told. `waiting` has the
    /// sources that were asked again since.
    Missing { at: u64, waiting: u32 },
}

impl Question {
    /// A bit for each source whose answer is missing.
    pub(super) fn waiting(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Asked { waiting, .. } | Self::Missing { waiting, .. } => waiting,
        }
    }
}

impl Question {
    /// Takes a description as an answer; returns whether nobody has to wait for another one.
    pub(super) fn take_answer(&mut self, source: u8, detail: Detail, now: u64) -> bool {
        match (detail, &mut *self) {
            (Detail::Whole, _) => {
                let was_asked = *self != Self::None;
                *self = Self::None;
                was_asked
            }
            // The event of a creation answers no question: the runtime's answer follows.
            (Detail::Names, _) | (_, Self::None | Self::Missing { .. }) => false,
            (_, Self::Asked { waiting, .. }) => {
                *waiting &= !(1 << source);
                let is_last = *waiting == 0;
                if is_last {
                    *self = Self::Missing {
                        at: now,
                        waiting: 0,
                    };
                }
                is_last
            }
        }
    }
}

/// One container id.
#[derive(Debug)]
pub(super) struct Entry {
    /// Containers with this id, the oldest one first.
    pub(super) generations: Vec<Generation>,
    pub(super) question: Question,
    /// A bit for each source whose queue was full, and which the cache still has to ask.
    pub(super) unsent: u32,
    /// Containers that wait for this sandbox.
    pub(super) waiters: Vec<ContainerId>,
    /// When an event last named it.
    pub(super) used: u64,
}

/// Which container an event belongs to.
pub(super) enum Candidate {
    /// The container with that index.
    One(usize),
    /// No known container.
    None,
    /// One of two or more containers, and the cache cannot decide which one.
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

    /// The container that had the id at time `happened`, by the best description of it.
    pub(super) fn at(&self, happened: u64) -> Candidate {
        let mut best: Option<(usize, &Generation)> = None;
        let mut is_ambiguous = false;
        for (at, new) in self.generations.iter().enumerate() {
            if !new.lived_at(happened) {
                continue;
            }
            let order = match best {
                None => Ordering::Greater,
                Some((_, old)) => new.compare(old),
            };
            is_ambiguous &= order != Ordering::Greater;
            match order {
                Ordering::Greater => best = Some((at, new)),
                Ordering::Equal => is_ambiguous = true,
                Ordering::Less => {}
            }
        }
        match best {
            _ if is_ambiguous => Candidate::Ambiguous,
            Some((at, _)) => Candidate::One(at),
            None => Candidate::None,
        }
    }

    /// Takes a description of a container: of a new one, or a newer description of a known one.
    pub(super) fn insert(&mut self, mut new: Generation) {
        let is_unique = new.container.id.is_hexadecimal();
        let same = |old: &&mut Generation| {
            old.origin == new.origin
                && (old.container.created == new.container.created
                    || (is_unique && old.detail != new.detail))
        };
        if let Some(old) = self.generations.iter_mut().find(same) {
            if new.detail < old.detail {
                // An event of a container that has been described in full already.
                old.epoch = old.epoch.max(new.epoch);
                return;
            }
            // A late answer does not revive a deleted container; the snapshot of a new connection
            // does.
            if new.epoch == old.epoch {
                new.deleted = old.deleted;
            }
            new.created = old.created.min(new.created);
            new.container.init = new.container.init.or(old.container.init);
            new.container.rootfs = new.container.rootfs.or(old.container.rootfs.take());
            new.complete |= old.complete;
            *old = new;
            return;
        }
        // Only one container of an origin has the id at a time: an older one ended before this one
        // began.
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

    /// Marks the container that lived at that time as deleted.
    pub(super) fn delete(&mut self, origin: Origin, at: u64) {
        for generation in &mut self.generations {
            if generation.origin == origin && generation.lived_at(at) {
                generation.deleted = Some(at);
            }
        }
    }

    /// Whether a container has the id now.
    pub(super) fn is_alive(&self) -> bool {
        self.generations.iter().any(|g| g.deleted.is_none())
    }

    /// Whether the entry has no container and waits for no answer.
    pub(super) fn is_empty(&self) -> bool {
        self.generations.is_empty() && self.question == Question::None && self.waiters.is_empty()
    }
}
