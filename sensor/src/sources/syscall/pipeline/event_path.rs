//! The way of one record at a time: decode → identify → enrich → hold → evaluate → format.

use std::{sync::Arc, time::Duration};

use config::RuleCapture;
use events::{Around, Lines, PendingEvents, Release, Share};
use metadata::{ContainerId, ContainerState, Domains, Lookup, Metadata, Users, boot_now};
use outputs::{AlertOptions, internal::Record};
use sensor_ebpf::{CgroupClass, CgroupKey, Header, Kinds};
use telemetry::{Ledger, Telemetry};

use super::{
    Cgroups, Node,
    cgroups::CgroupOwner,
    environments::Environments,
    evaluator::Evaluator,
    share::{Part, Taking},
    watched::Observers,
};
use crate::sources::syscall::{
    capture::Watched,
    event::{Event, Kind},
    fields::Needs,
    lineage::Lineage,
    recording::Taps,
    rules::{Requirements, RuleSet},
    self_test::Marker,
};

/// The parts of a pipeline.
pub struct PipelineParts {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// How the sensor writes alerts.
    pub alerts: AlertOptions,
    /// The node of the sensor.
    pub node: Node,
    /// Containers and pods.
    pub metadata: Metadata,
    /// The hold, where events of unknown containers wait.
    pub pending: Pending,
    /// Names of users and groups.
    pub users: Users,
    /// Names of addresses.
    pub domains: Domains,
    /// The programs of processes.
    pub lineage: Lineage,
    /// The owners of cgroups.
    pub cgroups: Cgroups,
    /// Counts what becomes of events.
    pub ledger: Arc<Ledger>,
    /// The other counters.
    pub telemetry: Arc<Telemetry>,
    /// Recognizes the execs of the self-test.
    pub marker: Arc<Marker>,
    /// What recorders need beyond the rules.
    pub wider: Option<Requirements>,
    /// Where recorders come from.
    pub taps: Taps,
}

/// A record that waits for its container, as it came from the ring buffer.
#[derive(Debug)]
pub struct PendingRecord {
    /// The event's number.
    pub(super) number: u64,
    pub(super) bytes: Box<[u8]>,
}

impl PendingRecord {
    pub(super) fn of(event: &Event<'_>) -> Self {
        Self {
            number: event.header.number,
            bytes: event.bytes.into(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The hold: records that wait for their containers.
pub type Pending = PendingEvents<ContainerId, PendingRecord>;

/// Everything that the capture thread owns.
pub struct Pipeline {
    pub(super) evaluator: Evaluator,
    pub(super) metadata: Metadata,
    pub(super) pending: Pending,
    pub(super) cgroups: Cgroups,
    /// Environments of which parts have come.
    pub(super) environments: Environments,
    pub(super) observers: Observers,
    /// What observers want beyond the rules, if the kernel side does not know yet.
    pub(super) watched: Option<Watched>,
    /// The requirements of rules and recorders.
    pub(super) requirements: Requirements,
    /// Number of the last event.
    pub(super) number: u64,
    /// Which events are this sensor's.
    pub(super) taking: Taking,
    pub(super) ledger: Arc<Ledger>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) marker: Arc<Marker>,
    /// Classes of cgroups that the kernel side does not have yet.
    pub(super) classes: Vec<(CgroupKey, CgroupClass)>,
    /// The times of the events whose lines are not in the outputs' queues yet, nanoseconds since
    /// boot.
    pub(super) unflushed: Vec<u64>,
    /// What the sensor has to say about itself.
    pub(super) said: Vec<Record>,
}

impl Pipeline {
    /// Makes a pipeline from its parts.
    #[must_use]
    pub fn new(parts: PipelineParts) -> Self {
        let PipelineParts {
            rules,
            alerts,
            node,
            metadata,
            pending,
            users,
            domains,
            lineage,
            cgroups,
            ledger,
            telemetry,
            marker,
            wider,
            taps,
        } = parts;
        Self {
            requirements: rules.requirements_with(wider.as_ref()),
            observers: Observers::new(taps, &pending),
            watched: None,
            evaluator: Evaluator::new(rules, alerts, node, lineage, (users, domains), &telemetry),
            metadata,
            pending,
            cgroups,
            environments: Environments::default(),
            number: 0,
            taking: Taking::default(),
            ledger,
            telemetry,
            marker,
            classes: Vec::new(),
            unflushed: Vec::new(),
            said: Vec::new(),
        }
    }

    /// Counts what became of the records so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes over other rules, settings of the recordings that rules start, and the requirements of other
    /// recorders, from the next event on.
    pub fn set_rules(
        &mut self,
        rules: Arc<RuleSet>,
        alerts: AlertOptions,
        rule_recordings: &RuleCapture,
        wider: Option<&Requirements>,
    ) {
        self.observers.taps.set_rule_recordings(rule_recordings);
        self.requirements = rules.requirements_with(wider);
        let variables = self.requirements.variables.clone();
        self.evaluator.lineage.set_variables(variables);
        self.evaluator.set_rules(rules, alerts);
    }

    /// Takes another share of the events.
    pub fn share(&mut self, share: Share, lines: &mut impl Lines) {
        for record in self.taking.share(share) {
            let Ok(mut event) = Event::decode(&record.bytes) else {
                let kind = claimed_kind(&record.bytes) as usize;
                self.ledger.lost(kind, UNDECODABLE);
                continue;
            };
            event.header.number = record.number;
            match self.taking.part(&event) {
                Part::Own => self.process_own(&event, lines),
                Part::Other | Part::Waits => self.pass_over(&event),
            }
        }
    }

    /// The events around the moment of a takeover; none follows.
    pub fn around(&mut self) -> Around {
        self.taking.around(boot_now())
    }

    /// Call this before each batch: takes over metadata that has arrived, and releases the events
    /// in the hold whose container is known or whose time is up.
    pub fn begin_batch(&mut self, lines: &mut impl Lines) {
        self.watched = self
            .observers
            .update(&self.evaluator.lineage)
            .or(self.watched.take());
        self.evaluator.clock.refresh();
        self.evaluator.domains.update();
        let now = boot_now();
        for id in self.metadata.apply_updates(now) {
            self.pending.resolve(id, now);
            self.observers.pending.resolve(id, now);
        }
        if !self.pending.is_empty() {
            self.pending.expire(now);
            self.release(lines);
        }
        if !self.observers.pending.is_empty() {
            self.observers.pending.expire(now);
            self.release_to_observers();
        }
    }

    /// Releases all events in the hold as they are, at the end.
    pub fn finish(&mut self, lines: &mut impl Lines) {
        self.pending.drain(boot_now());
        self.release(lines);
        self.observers.pending.drain(boot_now());
        self.release_to_observers();
    }

    /// Processes one record, and passes its lines to `lines`.
    pub fn process(&mut self, record: &[u8], lines: &mut impl Lines) {
        if self.environments.take(record) {
            return;
        }
        let Ok(event) = Event::decode(record) else {
            return self.undecodable(record);
        };
        let variables = self.requirements.variables.as_ref();
        match self.environments.whole(&event, variables) {
            None => self.process_event(event, lines),
            Some(whole) => {
                match Event::decode(&whole) {
                    Ok(event) => self.process_event(event, lines),
                    Err(_) => self.undecodable(record),
                }
                self.environments.give_back(whole);
            }
        }
    }

    fn undecodable(&mut self, record: &[u8]) {
        self.number += 1;
        let kind = claimed_kind(record) as usize;
        self.ledger.received(kind);
        self.ledger.lost(kind, UNDECODABLE);
    }

    fn process_event(&mut self, mut event: Event<'_>, lines: &mut impl Lines) {
        // Nothing that the rules see depends on observers, and so no number does.
        let is_for_rules = event.header.watched == 0;
        self.number += u64::from(is_for_rules);
        self.ledger.received(event.kind as usize);
        event.header.number = self.number;
        if self.marker.take(&event) {
            return self.filter(event.kind);
        }
        let part = if is_for_rules {
            self.taking.part(&event)
        } else {
            // An event that only observers want has no line that two sensors could write.
            Part::Own
        };
        match part {
            Part::Own => self.process_own(&event, lines),
            Part::Other => self.pass_over(&event),
            Part::Waits => {}
        }
    }

    /// Leaves an event to the other sensor. The next event can be this sensor's own, so it knows
    /// the programs of processes.
    fn pass_over(&mut self, event: &Event<'_>) {
        self.evaluator.lineage.observe(event);
        self.observers.observe(event);
        self.filter(event.kind);
    }

    fn process_own(&mut self, event: &Event<'_>, lines: &mut impl Lines) {
        let is_for_rules = event.header.watched == 0;
        if is_for_rules {
            self.evaluator.lineage.observe(event);
        }
        self.observers.observe(event);
        let (owner, new) = self.cgroups.owner(event);
        let reach = self.requirements.reach;
        let wanted = match owner {
            Some(CgroupOwner::Host) => reach.host,
            Some(CgroupOwner::OtherNode) => Kinds::NONE,
            // If such an event counted as the host's, a process in a container could hide from
            // rules about containers.
            Some(CgroupOwner::Container(_)) | None => reach.container,
        };
        let wanted = is_for_rules && wanted.contains(event.kind);
        let is_host = owner == Some(CgroupOwner::Host);
        let is_watched = !wanted && self.observers.taps.wants(event.kind, is_host);
        // The kernel side does not know the class of a new cgroup, nor of one whose events are not
        // wanted and come all the same: its map has dropped the class.
        if let Some(owner) = owner.filter(|_| new || !(wanted || is_watched)) {
            let class = owner.class_of(event);
            if !self.classes.contains(&class) {
                self.classes.push(class);
            }
        }
        if !wanted {
            self.filter(event.kind);
            if is_watched {
                self.observe(event, owner);
            }
            return;
        }
        self.observers.prepare(event);
        let of_itself = self.requirements.programs.kinds().contains(event.kind);
        let of_ancestors = self.requirements.ancestor_programs;
        let lineage = &mut self.evaluator.lineage;
        lineage.prepare(event, of_itself, of_ancestors);
        let id = match owner {
            Some(CgroupOwner::Host | CgroupOwner::OtherNode) => {
                return self.evaluate_in(event, ContainerState::Host, lines);
            }
            Some(CgroupOwner::Container(id)) => id,
            None => {
                let unknown = ContainerState::Unknown(ContainerId::UNKNOWN);
                return self.evaluate_in(event, unknown, lines);
            }
        };
        if self.pending.is_waiting(&id) {
            return self.hold(id, event, lines);
        }
        let waits = self.needs_container();
        let found = self.metadata.lookup(&id, event.header.time);
        match found {
            Lookup::Pending if waits => self.hold(id, event, lines),
            Lookup::Known(container) => {
                if new {
                    self.telemetry.enrichment.record(Duration::ZERO);
                }
                let known = ContainerState::Known(container);
                let observers = &mut self.observers;
                let lines = self.evaluator.evaluate(event, known, observers, lines);
                self.count(event, lines);
            }
            Lookup::Pending | Lookup::Unknown => {
                self.evaluate_in(event, ContainerState::Unknown(id), lines);
            }
        }
    }

    /// Counts an event that no rule can match.
    fn filter(&self, kind: Kind) {
        self.ledger.passed_over(kind as usize);
    }

    /// Whether any rule reads facts from the container runtime or the API server.
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
        let observers = &mut self.observers;
        let lines = self.evaluator.evaluate(event, container, observers, lines);
        self.count(event, lines);
    }

    /// Counts an event with its lines; none if only recorders wanted the event.
    fn count(&mut self, event: &Event<'_>, lines: Option<u64>) {
        let Some(lines) = lines else {
            return self.filter(event.kind);
        };
        self.ledger.evaluated(event.kind as usize, lines);
        if lines > 0 {
            self.unflushed.push(event.header.time);
        }
    }

    fn hold(&mut self, id: ContainerId, event: &Event<'_>, lines: &mut impl Lines) {
        let record = PendingRecord::of(event);
        self.pending.push(id, record, event.bytes.len(), boot_now());
        self.release(lines);
    }

    /// Evaluates the events that leave the hold.
    fn release(&mut self, lines: &mut impl Lines) {
        let mut previous = None;
        while let Some(released) = self.pending.pop() {
            // Events of a container leave in order, so the first one has waited for the whole lookup.
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
            // If the time is up, a description that lacks something is better than none.
            let container = match self.metadata.best(&released.key, event.header.time) {
                Some(container) => ContainerState::Known(container),
                None => ContainerState::Unknown(released.key),
            };
            let observers = &mut self.observers;
            let lines = self.evaluator.evaluate(&event, container, observers, lines);
            self.count(&event, lines);
        }
    }
}

/// Number of the cause "undecodable" in [`events::EventSource::CAUSES`].
const UNDECODABLE: usize = 0;

/// The kind that the header of undecodable bytes states.
fn claimed_kind(record: &[u8]) -> Kind {
    let at = std::mem::offset_of!(Header, kind);
    record
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .and_then(|raw| Kind::from_raw(u16::from_ne_bytes(*raw)))
        .unwrap_or(Kind::Exec)
}
