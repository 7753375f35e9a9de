//! decode → identify → enrich → hold → evaluate → format, for one record at a time.

use std::{os::fd::BorrowedFd, sync::Arc, time::Duration};

use events::{Lines, PendingEvents, PendingStatistics, Release};
use metadata::{ContainerId, ContainerState, Lookup, Metadata, Users, boot_now};
use outputs::AlertOptions;
use sensor_ebpf::{CgroupClass, CgroupKey, Header};
use telemetry::{Cache, Ledger, Telemetry};

use super::{Cgroups, Node, cgroups::Place, evaluator::Evaluator};
use crate::sources::syscall::{
    event::{Event, Kind},
    fields::Needs,
    lineage::Lineage,
    rules::{Requirements, RuleSet},
    self_test::Marker,
};

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
    pub pending: Pending,
    /// Names of users and groups.
    pub users: Users,
    /// The programs of processes.
    pub lineage: Lineage,
    /// Containers by their cgroups.
    pub cgroups: Cgroups,
    /// Counts what becomes of events.
    pub ledger: Arc<Ledger>,
    /// What else is counted.
    pub telemetry: Arc<Telemetry>,
    /// By which the self-test's execs are known.
    pub marker: Arc<Marker>,
}

/// A record that waits for its container, as the ring buffer had it.
#[derive(Debug)]
pub struct WaitingRecord {
    /// The event's number.
    number: u64,
    bytes: Box<[u8]>,
}

/// Records that wait for their containers.
pub type Pending = PendingEvents<ContainerId, WaitingRecord>;

/// Everything that the capture thread owns.
pub struct Pipeline {
    evaluator: Evaluator,
    metadata: Metadata,
    pending: Pending,
    cgroups: Cgroups,
    requirements: Requirements,
    /// Number of the last event.
    number: u64,
    /// From when on events are another process's, nanoseconds since boot.
    until: u64,
    ledger: Arc<Ledger>,
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
            pending,
            users,
            lineage,
            cgroups,
            ledger,
            telemetry,
            marker,
        } = parts;
        Self {
            requirements: rules.requirements().clone(),
            evaluator: Evaluator::new(rules, alerts, node, lineage, users, &telemetry),
            metadata,
            pending,
            cgroups,
            number: 0,
            until: u64::MAX,
            ledger,
            telemetry,
            marker,
            classes: Vec::new(),
            unflushed: Vec::new(),
        }
    }

    /// What became of the records so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How long events were held.
    #[must_use]
    pub fn waits(&self) -> PendingStatistics {
        self.pending.statistics()
    }

    /// Events that wait for their container, and their bytes.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        self.pending.waiting()
    }

    /// Becomes readable when metadata arrived: time for [`Self::begin_batch`].
    #[must_use]
    pub fn wakeup(&self) -> BorrowedFd<'_> {
        self.metadata.wakeup()
    }

    /// When the next held event's time is up, nanoseconds since boot.
    pub fn deadline(&mut self) -> Option<u64> {
        self.pending.deadline()
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
        caches.report(Cache::Cgroups, cgroups, of_cgroups);
        caches.report(Cache::Containers, containers, of_containers);
        caches.report(Cache::Pods, pods, of_pods);
        caches.report(Cache::Programs, programs, of_programs);
        caches.report(Cache::Users, users, of_users);
    }

    /// What a cgroup was found to be.
    pub(crate) fn place_of(&self, key: &CgroupKey) -> Option<Place> {
        self.cgroups.get(key)
    }

    /// Leaves events of that time and later, nanoseconds since boot, to another process.
    pub fn hand_over(&mut self, time: u64) {
        self.until = time;
    }

    /// To be called before each batch: takes over what arrived of metadata, and lets held
    /// events go on whose container is known or whose time is up.
    pub fn begin_batch(&mut self, lines: &mut impl Lines) {
        self.evaluator.clock.refresh();
        let now = boot_now();
        for id in self.metadata.apply_updates(now) {
            self.pending.resolve(id, now);
        }
        if !self.pending.is_empty() {
            self.pending.expire(now);
            self.release(lines);
        }
    }

    /// At the end: lets every held event go on as it is.
    pub fn finish(&mut self, lines: &mut impl Lines) {
        self.pending.drain(boot_now());
        self.release(lines);
    }

    /// Takes one record; gives the lines that it makes to `lines`.
    pub fn process(&mut self, record: &[u8], lines: &mut impl Lines) {
        self.number += 1;
        let Ok(mut event) = Event::decode(record) else {
            let kind = claimed_kind(record) as usize;
            self.ledger.received(kind);
            self.ledger.lost(kind, UNDECODABLE);
            return;
        };
        self.ledger.received(event.kind as usize);
        event.header.number = self.number;
        if event.header.time >= self.until {
            return self.filter(event.kind);
        }
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
            Some(Place::Host) => return self.evaluate_in(&event, ContainerState::Host, lines),
            Some(Place::Container(id)) => id,
            None => {
                let unknown = ContainerState::Unknown(ContainerId::UNKNOWN);
                return self.evaluate_in(&event, unknown, lines);
            }
        };
        if self.pending.is_waiting(&id) {
            return self.hold(id, &event, lines);
        }
        let waits = self.needs_container();
        let found = self.metadata.lookup(&id, event.header.time);
        match found {
            Lookup::Pending if waits => self.hold(id, &event, lines),
            Lookup::Known(container) => {
                if new {
                    self.telemetry.enrichment.record(Duration::ZERO);
                }
                let lines =
                    self.evaluator
                        .evaluate(&event, ContainerState::Known(container), lines);
                self.count(&event, lines);
            }
            Lookup::Pending | Lookup::Unknown => {
                self.evaluate_in(&event, ContainerState::Unknown(id), lines);
            }
        }
    }

    /// Counts an event that no rule is asked about.
    fn filter(&self, kind: Kind) {
        self.ledger.passed_over(kind as usize);
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
        lines: &mut impl Lines,
    ) {
        let lines = self.evaluator.evaluate(event, container, lines);
        self.count(event, lines);
    }

    fn count(&mut self, event: &Event<'_>, lines: u64) {
        self.ledger.evaluated(event.kind as usize, lines);
        if lines > 0 {
            self.unflushed.push(event.header.time);
        }
    }

    fn hold(&mut self, id: ContainerId, event: &Event<'_>, lines: &mut impl Lines) {
        let bytes = event.bytes;
        let record = WaitingRecord {
            number: event.header.number,
            bytes: bytes.into(),
        };
        self.pending.push(id, record, bytes.len(), boot_now());
        self.release(lines);
    }

    /// Evaluates what no longer waits.
    fn release(&mut self, lines: &mut impl Lines) {
        let mut previous = None;
        while let Some(released) = self.pending.pop() {
            // Events of a container come one after the other, the first one first.
            if released.outcome == Release::Resolved && previous != Some(released.key) {
                let waited = Duration::from_nanos(released.waited);
                self.telemetry.enrichment.record(waited);
            }
            previous = Some(released.key);
            let record = released.event;
            let Ok(mut event) = Event::decode(&record.bytes) else {
                let kind = claimed_kind(&record.bytes) as usize;
                self.ledger.lost(kind, UNDECODABLE);
                continue;
            };
            event.header.number = record.number;
            let container = match self.metadata.lookup(&released.key, event.header.time) {
                Lookup::Known(container) => ContainerState::Known(container),
                Lookup::Pending | Lookup::Unknown => ContainerState::Unknown(released.key),
            };
            let lines = self.evaluator.evaluate(&event, container, lines);
            self.count(&event, lines);
        }
    }
}

/// Number of the cause of losses that a record is none, in [`events::EventSource::CAUSES`].
const UNDECODABLE: usize = 0;

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
