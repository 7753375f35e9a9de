//! What the capture thread asks of the pipeline between records: what waits and until when, what it has
//! to say, and what observers want.

use std::{os::fd::BorrowedFd, time::Duration};

use events::PendingStatistics;
use metadata::boot_now;
use outputs::internal::{Record, Written};
use sensor_ebpf::{CgroupClass, CgroupKey, Kinds};
use telemetry::Cache;

use super::{
    cgroups::CgroupOwner,
    event_path::{Pending, Pipeline},
};
use crate::sources::syscall::{capture::Watched, recording::ThrottledFrame};

impl Pipeline {
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
}
