//! What observers see: the events of the rules, and those that only observers want.
//!
//! Nothing here changes a line or a count of the rules. An event that only observers want counts as
//! filtered, has no number of its own, waits for its container in a hold of its own, and leaves the
//! programs alone that the rules know.

use std::sync::Arc;

use events::RecordingDemand;
use metadata::{ContainerId, ContainerState, Lookup, boot_now};

use super::{
    cgroups::CgroupOwner,
    event_path::{Pending, PendingRecord, Pipeline},
};
use crate::sources::syscall::{
    capture::Watched,
    event::Event,
    fields::{ANCESTORS_MAX, Context, Memo},
    lineage::Lineage,
    recording::Taps,
};

/// The recorders, and what they know beyond the rules.
pub(super) struct Observers {
    pub(super) taps: Taps,
    /// The programs of processes while anybody watches.
    lineage: Option<Lineage>,
    /// Events that only observers want, and whose container is not known yet.
    pub(super) pending: Pending,
}

impl Observers {
    /// No event waits. The hold has the limits of that of the rules.
    pub(super) fn new(taps: Taps, rules: &Pending) -> Self {
        Self {
            taps,
            lineage: None,
            pending: Pending::new(rules.options().clone(), Arc::default()),
        }
    }

    /// Takes over recorders that have come or gone. `rules` has the programs that the rules know.
    /// Returns what the recorders want beyond the rules, if that has changed.
    pub(super) fn update(&mut self, rules: &Lineage) -> Option<Watched> {
        let watched = self.taps.update();
        let is_observed = self.taps.is_observed();
        if is_observed != self.lineage.is_some() {
            self.lineage = is_observed.then(|| rules.copy());
        }
        watched
    }

    /// Adds the program of a successful exec.
    pub(super) fn observe(&mut self, event: &Event<'_>) {
        if let Some(lineage) = &mut self.lineage {
            lineage.observe(event);
        }
    }

    /// Call this before an event is recorded: reads missing programs from `/proc`.
    pub(super) fn prepare(&mut self, event: &Event<'_>) {
        if let Some(lineage) = &mut self.lineage {
            lineage.prepare(event, true, ANCESTORS_MAX);
        }
    }

    /// Records an event that the rules have looked at; `demand` is there if a rule matched.
    #[inline]
    pub(super) fn record_for_rules(
        &mut self,
        context: &Context<'_>,
        demand: Option<RecordingDemand>,
    ) {
        self.taps.record_for_rules(context, demand);
        self.record(context, true);
    }

    /// Records an event. `by_rules`: rules look at the event, and not only observers.
    #[inline]
    pub(super) fn record(&mut self, context: &Context<'_>, by_rules: bool) {
        match &self.lineage {
            None => self.taps.record(context, by_rules),
            Some(lineage) => {
                let context = Context {
                    lineage,
                    memo: Memo::default(),
                    ..*context
                };
                self.taps.record(&context, by_rules);
            }
        }
    }
}

impl Pipeline {
    /// Records an event that only observers want, when its container is known.
    pub(super) fn observe(&mut self, event: &Event<'_>, owner: Option<CgroupOwner>) {
        self.observers.prepare(event);
        let id = match owner {
            Some(CgroupOwner::Host) => return self.record(event, ContainerState::Host),
            Some(CgroupOwner::OtherNode) => return,
            Some(CgroupOwner::Container(id)) => id,
            None => {
                let unknown = ContainerState::Unknown(ContainerId::UNKNOWN);
                return self.record(event, unknown);
            }
        };
        if self.observers.pending.is_waiting(&id) {
            return self.hold_for_observers(id, event);
        }
        match self.metadata.lookup(&id, event.header.time) {
            Lookup::Pending => self.hold_for_observers(id, event),
            Lookup::Unknown => self.record(event, ContainerState::Unknown(id)),
            Lookup::Known(container) => {
                let observers = &mut self.observers;
                self.evaluator
                    .with(event, ContainerState::Known(container), |_, context| {
                        observers.record(context, false);
                    });
            }
        }
    }

    fn record(&mut self, event: &Event<'_>, container: ContainerState<'_>) {
        let observers = &mut self.observers;
        self.evaluator.with(event, container, |_, context| {
            observers.record(context, false);
        });
    }

    fn hold_for_observers(&mut self, id: ContainerId, event: &Event<'_>) {
        let record = PendingRecord::of(event);
        let pending = &mut self.observers.pending;
        pending.push(id, record, event.bytes.len(), boot_now());
        self.release_to_observers();
    }

    /// Records the events that leave the hold of observers.
    pub(super) fn release_to_observers(&mut self) {
        while let Some(released) = self.observers.pending.pop() {
            let record = released.event;
            let Ok(mut event) = Event::decode(&record.bytes) else {
                continue; // it has been decoded before
            };
            event.header.number = record.number;
            let container = match self.metadata.best(&released.key, event.header.time) {
                Some(container) => ContainerState::Known(container),
                None => ContainerState::Unknown(released.key),
            };
            let observers = &mut self.observers;
            self.evaluator.with(&event, container, |_, context| {
                observers.record(context, false);
            });
        }
    }
}
