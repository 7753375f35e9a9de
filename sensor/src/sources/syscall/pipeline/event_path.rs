//! The way of one record at a time: decode → identify → enrich → hold → evaluate → format.

use std::{os::fd::BorrowedFd, sync::Arc, time::Duration};

use config::RuleCapture;
use events::{Around, Lines, PendingEvents, PendingStatistics, Release, Share};
use metadata::{ContainerId, ContainerState, Domains, Lookup, Metadata, Users, boot_now};
use outputs::{
    AlertOptions,
    internal::{Record, Written},
};
use sensor_ebpf::{CgroupClass, CgroupKey, Header, Kinds};
use telemetry::{Cache, Ledger, Telemetry};

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
    recording::{Taps, ThrottledFrame},
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
    pending: Pending,
    cgroups: Cgroups,
    /// Environments of which parts have come.
    environments: Environments,
    pub(super) observers: Observers,
    /// What observers want beyond the rules, if the kernel side does not know yet.
    watched: Option<Watched>,
    /// The requirements of rules and recorders.
    requirements: Requirements,
    /// Number of the last event.
    number: u64,
    /// Which events are this sensor's.
    taking: Taking,
    ledger: Arc<Ledger>,
    telemetry: Arc<Telemetry>,
    marker: Arc<Marker>,
    /// Classes of cgroups that the kernel side does not have yet.
    classes: Vec<(CgroupKey, CgroupClass)>,
    /// The times of the events whose lines are not in the outputs' queues yet, nanoseconds since
    /// boot.
    unflushed: Vec<u64>,
    /// What the sensor has to say about itself.
    said: Vec<Record>,
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

    /// How long events waited in the hold.
    #[must_use]
    pub fn waits(&self) -> PendingStatistics {
        self.pending.statistics()
    }

    /// The number of events that wait in the hold or for the end of a takeover, and their bytes.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        let (pending, taking) = (self.pending.waiting(), self.taking.waiting());
        (pending.0 + taking.0, pending.1 + taking.1)
    }

    /// Whether so many events wait that others must stay in the ring buffer.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.taking.is_full()
    }

    /// Descriptors that become readable when metadata has arrived, or an observer. Then call
    /// [`Self::begin_batch`].
    pub fn wakeups(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let of_observers = self.observers.taps.wakeup();
        of_observers.into_iter().chain([self.metadata.wakeup()])
    }

    /// How long [`Self::begin_batch`] and [`Self::flushed`] have nothing to do if nothing comes.
    pub fn patience(&mut self) -> Duration {
        let holds = [&mut self.pending, &mut self.observers.pending];
        let deadline = holds.into_iter().filter_map(Pending::deadline).min();
        let of_holds = deadline.map_or(Duration::MAX, |deadline| {
            Duration::from_nanos(deadline.saturating_sub(boot_now()))
        });
        of_holds.min(self.observers.taps.patience())
    }

    /// What observers want beyond the rules, if that has changed since the last call.
    pub fn take_watched(&mut self) -> Option<Watched> {
        self.watched.take()
    }

    /// Takes over the throttled events of places, for recordings.
    pub fn throttled(&mut self, places: Vec<ThrottledFrame>) {
        self.observers.taps.throttled(places);
    }

    /// Tells observers which kinds of events the hooks see from here on.
    pub fn captures(&mut self, kinds: Kinds) {
        self.observers.taps.captures(kinds);
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

    /// The classes of cgroups found since the last call, for the kernel's filter.
    pub fn take_classes(&mut self) -> impl Iterator<Item = (CgroupKey, CgroupClass)> {
        self.classes.drain(..)
    }

    /// Records how long the lines made so far took to the outputs' queues. Call this when the
    /// queues have the lines.
    pub fn flushed(&mut self) {
        if let Some(record) = self.observers.taps.flush() {
            self.said.push(record);
        }
        if self.unflushed.is_empty() {
            return;
        }
        let now = boot_now();
        for time in self.unflushed.drain(..) {
            let delay = Duration::from_nanos(now.saturating_sub(time));
            self.telemetry.delay.record(delay);
        }
    }

    /// Reports the caches' figures to the telemetry.
    pub fn report_caches(&self) {
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

    /// The owner of a cgroup, if the cache has it.
    pub(crate) fn owner_of(&self, key: &CgroupKey) -> Option<CgroupOwner> {
        self.cgroups.get(key)
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

    /// The records about the sensor itself since the last call.
    pub fn take_said(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.said)
    }

    /// Puts a record that the sensor made about itself into the recordings.
    pub fn note(&mut self, record: &Written) {
        self.observers.taps.note(record);
    }

    /// Ends all recordings: nothing follows.
    pub fn end_recordings(&mut self) {
        self.observers.taps.finish();
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
