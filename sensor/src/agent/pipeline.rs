//! decode → identify → enrich → hold → evaluate → format, for one record at a time.

use std::{os::fd::BorrowedFd, sync::Arc, time::Duration};

use bytes::Bytes;
use sensor_ebpf::{CgroupClass, CgroupKey, Header};

use super::{Cgroups, Node, Sink, cgroups::Place, evaluator::Evaluator};
use crate::{
    enrich::{
        ContainerState, Hold, HoldOutcome, HoldStatistics, Lineage, Lookup, Metadata, Users,
        boot_now,
    },
    event::{ContainerId, Event, Kind},
    fields::Needs,
    output::AlertOptions,
    rules::{Requirements, RuleSet},
    self_test::Marker,
    telemetry::{Cache, Loss, Telemetry},
};

/// What became of the records. At rest `received = undecodable + filtered +
/// unmatched + matched`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records taken out of the ring buffer.
    pub received: u64,
    /// Records that could not be decoded.
    pub undecodable: u64,
    /// Of a place that no rule asks about: of a cgroup that the kernel did not know yet, or
    /// execs that only told which program a process runs; and of the self-test.
    pub filtered: u64,
    /// Events that no rule matched.
    pub unmatched: u64,
    /// Events that a rule matched.
    pub matched: u64,
    /// Lines made of them.
    pub lines: u64,
}

/// What the pipeline stands on.
pub struct Parts {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// How alerts are written.
    pub alerts: AlertOptions,
    /// Who the sensor is.
    pub node: Node,
    /// Containers and pods.
    pub metadata: Metadata,
    /// Where events of unknown containers wait.
    pub hold: Hold,
    /// Names of users and groups.
    pub users: Users,
    /// The programs of processes.
    pub lineage: Lineage,
    /// Containers by their cgroups.
    pub cgroups: Cgroups,
    /// Where it is counted what becomes of events.
    pub telemetry: Arc<Telemetry>,
    /// By which the self-test's execs are known.
    pub marker: Arc<Marker>,
}

/// Everything that the capture thread owns.
pub struct Pipeline {
    evaluator: Evaluator,
    metadata: Metadata,
    hold: Hold,
    cgroups: Cgroups,
    requirements: Requirements,
    counts: Counts,
    telemetry: Arc<Telemetry>,
    marker: Arc<Marker>,
    /// What the kernel is to be told of cgroups.
    classes: Vec<(CgroupKey, CgroupClass)>,
    /// When the events happened whose lines are not in the outputs' queues yet,
    /// nanoseconds since boot.
    unflushed: Vec<u64>,
}

impl Pipeline {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            rules,
            alerts,
            node,
            metadata,
            hold,
            users,
            lineage,
            cgroups,
            telemetry,
            marker,
        } = parts;
        Self {
            requirements: rules.requirements().clone(),
            evaluator: Evaluator::new(rules, alerts, node, lineage, users, Arc::clone(&telemetry)),
            metadata,
            hold,
            cgroups,
            counts: Counts::default(),
            telemetry,
            marker,
            classes: Vec::new(),
            unflushed: Vec::new(),
        }
    }

    /// What became of the records so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How long events were held.
    #[must_use]
    pub fn hold_statistics(&self) -> HoldStatistics {
        self.hold.statistics()
    }

    /// Events that wait for their container, and their bytes.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        self.hold.waiting()
    }

    /// Becomes readable when metadata arrived: time for [`Self::begin_batch`].
    #[must_use]
    pub fn wakeup(&self) -> BorrowedFd<'_> {
        self.metadata.wakeup()
    }

    /// When the next held event's time is up, nanoseconds since boot.
    pub fn deadline(&mut self) -> Option<u64> {
        self.hold.deadline()
    }

    /// Takes other rules, from the next event on.
    pub fn set_rules(&mut self, rules: Arc<RuleSet>, alerts: AlertOptions) {
        self.requirements = rules.requirements().clone();
        self.evaluator.set_rules(rules, alerts);
    }

    /// What was learned of cgroups since the last call, for the kernel's filter.
    pub fn take_classes(&mut self) -> impl Iterator<Item = (CgroupKey, CgroupClass)> {
        self.classes.drain(..)
    }

    /// The lines made so far are in the outputs' queues: how long that took.
    pub fn flushed(&mut self) {
        if self.unflushed.is_empty() {
            return;
        }
        let now = boot_now();
        for time in self.unflushed.drain(..) {
            let delay = Duration::from_nanos(now.saturating_sub(time));
            self.telemetry.delay.record(delay);
        }
    }

    /// Tells how the caches do.
    pub fn tell_caches(&self) {
        let caches = &self.telemetry.caches;
        let (containers, pods) = self.metadata.len();
        let [of_containers, of_pods] = self.metadata.lookups();
        let (cgroups, of_cgroups) = self.cgroups.figures();
        let (users, of_users) = self.evaluator.users.figures();
        let (programs, of_programs) = self.evaluator.lineage.figures();
        caches.tell(Cache::Cgroups, cgroups, of_cgroups);
        caches.tell(Cache::Containers, containers, of_containers);
        caches.tell(Cache::Pods, pods, of_pods);
        caches.tell(Cache::Programs, programs, of_programs);
        caches.tell(Cache::Users, users, of_users);
    }

    /// What a cgroup was found to be.
    pub(super) fn place_of(&self, key: &CgroupKey) -> Option<Place> {
        self.cgroups.get(key)
    }

    /// To be called before each batch: takes over what arrived of metadata, and lets held
    /// events go on whose container is known or whose time is up.
    pub fn begin_batch(&mut self, sink: &mut impl Sink) {
        self.evaluator.clock.refresh();
        let now = boot_now();
        for id in self.metadata.apply_updates(now) {
            self.hold.resolve(id, now);
        }
        if !self.hold.is_empty() {
            self.hold.expire(now);
            self.release(sink);
        }
    }

    /// At the end: lets every held event go on as it is.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        self.hold.drain(boot_now());
        self.release(sink);
    }

    /// Takes one record; gives the lines that it makes to `sink`.
    pub fn process(&mut self, record: &[u8], sink: &mut impl Sink) {
        self.counts.received += 1;
        let Ok(mut event) = Event::decode(record) else {
            self.counts.undecodable += 1;
            self.telemetry
                .events
                .lost(claimed_kind(record), Loss::Undecodable, 1);
            return;
        };
        event.header.number = self.counts.received;
        if self.marker.take(&event) {
            return self.filter(event.kind);
        }
        self.evaluator.lineage.observe(&event);
        let (place, new) = self.cgroups.place(&event);
        if let Some(place) = place.filter(|_| new) {
            self.classes.push(class(&event, place));
        }
        let reach = self.requirements.reach(event.kind);
        let wanted = match place {
            Some(Place::Host) => reach.host,
            // As the host's, a process in a container could hide from rules about containers.
            Some(Place::Container(_)) | None => reach.container,
        };
        if !wanted {
            return self.filter(event.kind);
        }
        let of_itself = self.requirements.program(event.kind).any();
        let of_ancestors = self.requirements.ancestor_programs;
        let lineage = &mut self.evaluator.lineage;
        lineage.prepare(&event, of_itself, of_ancestors);
        let id = match place {
            Some(Place::Host) => return self.evaluate_in(&event, ContainerState::Host, sink),
            Some(Place::Container(id)) => id,
            None => {
                let unknown = ContainerState::Unknown(ContainerId::UNKNOWN);
                return self.evaluate_in(&event, unknown, sink);
            }
        };
        if self.hold.is_waiting(&id) {
            return self.hold(id, &event, sink);
        }
        let waits = self.needs_container();
        let found = self.metadata.lookup(&id, event.header.time);
        match found {
            Lookup::Pending if waits => self.hold(id, &event, sink),
            Lookup::Known(container) => {
                if new {
                    self.telemetry.enrichment.record(Duration::ZERO);
                }
                let lines = self
                    .evaluator
                    .evaluate(&event, ContainerState::Known(container), sink);
                self.count(&event, lines);
            }
            Lookup::Pending | Lookup::Unknown => {
                self.evaluate_in(&event, ContainerState::Unknown(id), sink);
            }
        }
    }

    /// Counts an event that no rule is asked about.
    fn filter(&mut self, kind: Kind) {
        self.counts.filtered += 1;
        self.telemetry.events.unmatched(kind);
    }

    /// Whether any rule looks at what the container's runtime or the API server knows.
    fn needs_container(&self) -> bool {
        let needs = self.requirements.needs;
        [Needs::CONTAINER, Needs::POD, Needs::USERS]
            .into_iter()
            .any(|need| needs.contains(need))
    }

    fn evaluate_in(
        &mut self,
        event: &Event<'_>,
        container: ContainerState<'_>,
        sink: &mut impl Sink,
    ) {
        let lines = self.evaluator.evaluate(event, container, sink);
        self.count(event, lines);
    }

    fn count(&mut self, event: &Event<'_>, lines: u64) {
        self.counts.take(lines);
        if lines > 0 {
            self.unflushed.push(event.header.time);
        }
    }

    fn hold(&mut self, id: ContainerId, event: &Event<'_>, sink: &mut impl Sink) {
        let mut record = event.bytes.to_vec();
        let at = std::mem::offset_of!(Header, number);
        record[at..at + size_of::<u64>()].copy_from_slice(&event.header.number.to_ne_bytes());
        self.hold.push(id, Bytes::from(record), boot_now());
        self.release(sink);
    }

    /// Evaluates what no longer waits.
    fn release(&mut self, sink: &mut impl Sink) {
        let mut previous = None;
        while let Some(released) = self.hold.pop() {
            // Events of a container come one after the other, the first one first.
            if released.outcome == HoldOutcome::Resolved && previous != Some(released.id) {
                let waited = Duration::from_nanos(released.waited);
                self.telemetry.enrichment.record(waited);
            }
            previous = Some(released.id);
            let Ok(event) = Event::decode(&released.record) else {
                self.counts.undecodable += 1;
                continue;
            };
            let container = match self.metadata.lookup(&released.id, event.header.time) {
                Lookup::Known(container) => ContainerState::Known(container),
                Lookup::Pending | Lookup::Unknown => ContainerState::Unknown(released.id),
            };
            let lines = self.evaluator.evaluate(&event, container, sink);
            self.count(&event, lines);
        }
    }
}

impl Counts {
    fn take(&mut self, lines: u64) {
        if lines == 0 {
            self.unmatched += 1;
        } else {
            self.matched += 1;
            self.lines += lines;
        }
    }
}

/// The kind that bytes which are no record say they are of.
fn claimed_kind(record: &[u8]) -> Kind {
    let at = std::mem::offset_of!(Header, kind);
    record
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .and_then(|raw| Kind::from_raw(u16::from_ne_bytes(*raw)))
        .unwrap_or(Kind::Exec)
}

fn class(event: &Event<'_>, place: Place) -> (CgroupKey, CgroupClass) {
    let key = CgroupKey {
        node: event.task.cgroup_node,
        id: event.task.cgroup_id,
    };
    let class = match place {
        Place::Host => CgroupClass::Host,
        Place::Container(_) => CgroupClass::Container,
    };
    (key, class)
}
