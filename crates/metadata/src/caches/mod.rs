//! The caches of containers and pods, owned by the capture thread.
//!
//! ```text
//! tasks ──updates (bounded channel, eventfd)──▶ Metadata ──lookup──▶ event
//!   ▲                                              │
//!   └──────questions (bounded, never waited for)───┘
//! ```
//!
//! An event belongs to a container only if the container lived when the event happened, because a
//! container id can be used again.
//!
//! The code here (`upkeep.rs`) decides when an entry leaves: a deleted container must stay for late
//! events, and a living one must not make room for an id that somebody invented. The cache only
//! reports that it is full.

mod entry;
mod pods;
mod questions;
mod sources;
mod updates;
mod upkeep;

use std::{io, os::fd::BorrowedFd, sync::Arc, time::Duration};

use tokio::sync::mpsc;

pub(super) use self::updates::{Detail, Origin, Update, Updates};
use telemetry::Lookups;

use self::{
    entry::{Candidate, Entry, Generation, Question},
    pods::Pods,
    sources::Sources,
    updates::Inbox,
};
use super::{
    BoundedCache, CacheOptions, Container, ContainerKind, Counters, Pod, clock::SECOND,
    counters::count,
};
use crate::ContainerId;

/// Most updates taken in one go, so that events do not wait for long.
const ROUND: usize = 512;
/// Pause between two rounds of upkeep.
const TIDY: u64 = SECOND;

/// The answer of the caches about the container of an event.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// The container is known.
    Known(&'a Container),
    /// The cache has asked for the container: the event must wait in the hold.
    Pending,
    /// No source knows the container, or none can be asked.
    Unknown,
}

/// All containers and pods. Times are nanoseconds since boot.
pub struct Metadata {
    entries: BoundedCache<ContainerId, Entry>,
    pods: Pods,
    sources: Sources,
    inbox: Inbox,
    /// Containers that became known since the last [`Self::apply_updates`].
    resolved: Vec<ContainerId>,
    /// The containers that the last [`Self::apply_updates`] returned.
    given: Vec<ContainerId>,
    options: CacheOptions,
    counters: Arc<Counters>,
    now: u64,
    tidied: u64,
}

impl Metadata {
    pub(super) fn new(
        options: CacheOptions,
        runtimes: Vec<mpsc::Sender<ContainerId>>,
        with_server: bool,
        inbox: Inbox,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            entries: BoundedCache::new(options.containers.max(8)),
            pods: Pods::new(&options),
            sources: Sources::new(runtimes, with_server),
            inbox,
            resolved: Vec::new(),
            given: Vec::new(),
            options,
            counters,
            now: 0,
            tidied: 0,
        }
    }

    /// Caches with fixed containers, and no source to ask: for tests and benchmarks.
    ///
    /// # Errors
    /// If no event file descriptor can be made.
    pub fn fixed(containers: impl IntoIterator<Item = Container>) -> io::Result<Self> {
        let (_, inbox) = Updates::channel()?;
        let mut new = Self::new(
            CacheOptions::default(),
            Vec::new(),
            false,
            inbox,
            Arc::default(),
        );
        let origin = Origin {
            source: 0,
            namespace: 0,
        };
        // Sandboxes first: a container takes labels and namespaces from its sandbox.
        let (sandboxes, others): (Vec<_>, Vec<_>) = containers
            .into_iter()
            .partition(|c| c.kind == ContainerKind::Sandbox);
        for container in sandboxes.into_iter().chain(others) {
            new.insert(origin, Detail::Whole, 0, 0, container);
        }
        Ok(new)
    }

    /// Becomes readable when [`Self::apply_updates`] has something to do.
    #[must_use]
    pub fn wakeup(&self) -> BorrowedFd<'_> {
        self.inbox.wakeup()
    }

    /// The number of containers and of pods in the caches.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.entries.len(), self.pods.len())
    }

    /// Look-ups of containers (a hit is a known container), and evictions of containers and pods.
    #[must_use]
    pub fn lookups(&self) -> [Lookups; 2] {
        [self.entries.lookups(), self.pods.lookups()]
    }

    /// A pod by its uid, as the runtime knows the uid.
    #[must_use]
    pub fn pod(&self, uid: &str) -> Option<&Pod> {
        self.pods.get(uid).map(|(pod, _)| &**pod)
    }

    /// Whether the caches are empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.pods.len() == 0
    }

    /// The container that had this id when the event happened.
    pub fn lookup(&mut self, id: &ContainerId, happened: u64) -> Lookup<'_> {
        match self.find(id, happened) {
            Ok(at) => {
                self.entries.count(true);
                match self.entries.peek(id).and_then(|e| e.generations.get(at)) {
                    Some(generation) => Lookup::Known(&generation.container),
                    None => Lookup::Unknown,
                }
            }
            Err(lookup) => {
                self.entries.count(false);
                lookup
            }
        }
    }

    /// The index of the container that had an id when the event happened, or why there is none.
    fn find(&mut self, id: &ContainerId, happened: u64) -> Result<usize, Lookup<'static>> {
        let now = self.now.max(happened);
        let entry = match self.entries.touch(id) {
            Some(entry) => entry,
            None if self.sources.is_empty() => return Err(Lookup::Unknown),
            None => self.new_name(*id),
        };
        entry.used = now;
        match entry.at(happened) {
            Candidate::One(at) => {
                if entry.generations[at].detail < Detail::Whole {
                    let waits = match entry.question {
                        Question::None => !self.sources.is_empty() && self.ask(id),
                        Question::Asked { .. } => true,
                        Question::Missing { .. } => false,
                    };
                    if waits {
                        return Err(Lookup::Pending);
                    }
                }
                let generation = self.entries.peek(id).and_then(|e| e.generations.get(at));
                if let Some(generation) = generation
                    && !generation.complete
                    && let Some(sandbox) = generation.container.sandbox
                    && !self.is_answered(sandbox, *id)
                {
                    return Err(Lookup::Pending);
                }
                return Ok(at);
            }
            Candidate::Ambiguous => {
                count(&self.counters.containers_ambiguous_total);
                return Err(Lookup::Unknown);
            }
            Candidate::None => {}
        }
        let question = entry.question;
        Err(match question {
            Question::Asked { .. } => Lookup::Pending,
            Question::Missing { at, waiting } => {
                if waiting == 0 && now.saturating_sub(at) >= nanoseconds(self.options.missing) {
                    self.ask(id);
                }
                Lookup::Unknown
            }
            Question::None if !self.sources.is_empty() && self.ask(id) => Lookup::Pending,
            Question::None => Lookup::Unknown,
        })
    }

    /// Takes the updates of the tasks, and forgets old entries. Returns the containers that are now
    /// known, or that no source knows: their events leave the hold.
    pub fn apply_updates(&mut self, now: u64) -> &[ContainerId] {
        self.now = self.now.max(now);
        self.inbox.begin();
        for taken in 0.. {
            if taken == ROUND {
                self.inbox.again();
                break;
            }
            match self.inbox.next() {
                Some(update) => self.apply(update),
                None => break,
            }
        }
        self.ask_unsent();
        if self.now.saturating_sub(self.tidied) >= TIDY {
            self.tidied = self.now;
            self.tidy();
        }
        self.given.clear();
        std::mem::swap(&mut self.given, &mut self.resolved);
        &self.given
    }

    fn apply(&mut self, update: Update) {
        match update {
            Update::SourceUp { source } => {
                self.sources.up(source);
                self.entries.retain(|_, entry| {
                    if matches!(entry.question, Question::Missing { .. }) {
                        entry.question = Question::None;
                    }
                    !entry.is_empty()
                });
                self.drop_unsent();
            }
            Update::SourceDown { source, is_absent } => {
                self.sources.down(source, is_absent, self.now);
                self.stop_waiting();
            }
            Update::SnapshotDone { source, epoch } => self.reconcile(source, epoch),
            Update::Listed { origin, epoch, ids } => self.listed(origin, epoch, &ids),
            Update::Container {
                origin,
                detail,
                epoch,
                created,
                container,
            } => self.insert(origin, detail, epoch, created, *container),
            Update::Task { origin, id, init } => {
                let generations = self.entries.peek_mut(&id).map(|e| &mut e.generations);
                for generation in generations.into_iter().flatten() {
                    if generation.origin == origin && generation.deleted.is_none() {
                        generation.container.init = init.or(generation.container.init);
                    }
                }
            }
            Update::Gone { origin, id, at } => {
                if let Some(entry) = self.entries.peek_mut(&id) {
                    entry.delete(origin, at);
                }
            }
            Update::Missing { source, id } => self.missing(&id, 1 << source),
            Update::Pod { key, pod } => {
                if self.pods.describe(key.clone(), *pod) {
                    self.update_members(&key);
                }
                self.pods.make_room();
            }
            Update::PodGone { key } => self.pods.gone(&key, self.now),
        }
    }

    fn insert(
        &mut self,
        origin: Origin,
        detail: Detail,
        epoch: u32,
        created: u64,
        mut container: Container,
    ) {
        let id = container.id;
        container.limit_labels(self.options.label_max_len);
        let mut complete = true;
        let mut changed_pod = None;
        if let Some(view) = container.pod.take() {
            let (pod, changed) = self.pods.join(id, &view, detail != Detail::Pod);
            changed_pod = changed.then(|| pod.uid.clone());
            container.pod = Some(pod);
        }
        if container.kind == ContainerKind::Container
            && let Some(sandbox) = container.sandbox
        {
            complete = match self.entries.peek(&sandbox).and_then(newest_sandbox) {
                Some(sandbox) => {
                    inherit(&mut container, sandbox);
                    true
                }
                None => false,
            };
        }
        let sandbox = container.sandbox;
        let now = self.now;
        let entry = match self.entries.touch(&id) {
            Some(entry) => entry,
            None => self.new_name(id),
        };
        let is_answer = entry.question.take_answer(origin.source, detail, now);
        entry.insert(Generation {
            container,
            origin,
            detail,
            epoch,
            created,
            deleted: None,
            complete,
        });
        let waiters = match entry.question {
            Question::Asked { .. } => Vec::new(),
            Question::None | Question::Missing { .. } => std::mem::take(&mut entry.waiters),
        };
        if let Some(key) = changed_pod {
            self.update_members(&key);
        }
        if is_answer {
            match sandbox {
                // Events wait for this container: they go on waiting for its sandbox.
                Some(sandbox) if !complete && !self.is_answered(sandbox, id) => {}
                _ => self.resolved.push(id),
            }
        }
        self.complete(id, &waiters);
    }

    /// The pod has changed: gives its containers the new description.
    fn update_members(&mut self, key: &str) {
        let Some((pod, members)) = self.pods.get(key) else {
            return;
        };
        for member in members {
            let entry = self.entries.peek_mut(member);
            for generation in entry.into_iter().flat_map(|e| &mut e.generations) {
                if generation
                    .container
                    .pod
                    .as_ref()
                    .is_some_and(|p| *p.uid == *key)
                {
                    generation.container.pod = Some(Arc::clone(pod));
                }
            }
        }
    }

    /// The cache has an answer about a sandbox: the containers that waited for the sandbox are
    /// complete.
    fn complete(&mut self, sandbox: ContainerId, waiters: &[ContainerId]) {
        for waiter in waiters {
            let facts = self
                .entries
                .peek(&sandbox)
                .and_then(newest_sandbox)
                .map(|c| (c.host_network, c.host_pid, c.host_ipc));
            let entry = self.entries.peek_mut(waiter);
            for generation in entry.into_iter().flat_map(|e| &mut e.generations) {
                if generation.container.sandbox == Some(sandbox) {
                    generation.complete = true;
                    if let Some(facts) = facts {
                        inherit_flags(&mut generation.container, facts);
                    }
                }
            }
            self.resolved.push(*waiter);
        }
    }
}

fn newest_sandbox(entry: &Entry) -> Option<&Container> {
    let newest_first = entry.generations.iter().rev();
    let mut containers = newest_first.map(|generation| &generation.container);
    containers.find(|container| container.kind == ContainerKind::Sandbox)
}

/// Takes from the sandbox which namespaces of the host a container shares with it.
fn inherit(container: &mut Container, sandbox: &Container) {
    inherit_flags(
        container,
        (sandbox.host_network, sandbox.host_pid, sandbox.host_ipc),
    );
}

fn inherit_flags(
    container: &mut Container,
    (network, pid, ipc): (Option<bool>, Option<bool>, Option<bool>),
) {
    container.host_network = container.host_network.or(network);
    container.host_pid = container.host_pid.or(pid);
    container.host_ipc = container.host_ipc.or(ipc);
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
