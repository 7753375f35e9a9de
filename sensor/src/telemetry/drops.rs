//! What is said and done when events are lost: `syscall_event_drops`.

use std::time::{Duration, Instant};

use sensor_ebpf::{Counter as Kernel, Kind};

use super::{Loss, Totals, groups::Group};
use crate::{
    config::{DropAction, Priority, SyscallEventDrops},
    log_warning,
    output::internal::Record,
};

/// Nothing is done in less time after the last look.
const INTERVAL: Duration = Duration::from_millis(900);

/// What is to be done about losses.
#[derive(Debug, Default, PartialEq)]
pub struct Reaction {
    /// A record for the stream.
    pub record: Option<Record>,
    /// The sensor is to stop.
    pub exit: bool,
}

/// Compares the counts of one second with those of the next.
#[derive(Debug)]
pub struct DropMonitor {
    config: SyscallEventDrops,
    last: Totals,
    checked: Instant,
    tokens: f64,
    occurrences: u64,
    actions: u64,
    /// Lost since the last record.
    unreported: u64,
}

impl DropMonitor {
    /// Nothing is lost yet.
    #[must_use]
    pub fn new(config: SyscallEventDrops, now: Instant) -> Self {
        Self {
            tokens: whole(config.max_burst),
            config,
            last: Totals::default(),
            checked: now,
            occurrences: 0,
            actions: 0,
            unreported: 0,
        }
    }

    /// Other settings, the same counts.
    pub fn reconfigure(&mut self, config: SyscallEventDrops) {
        self.config = config;
    }

    /// How often events were lost in some second, and how often something was done.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.occurrences, self.actions)
    }

    /// Whether it is time for [`Self::check`], which is about once a second.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.checked) >= INTERVAL
    }

    /// To be called when it is due.
    pub fn check(&mut self, now: Instant, totals: &Totals) -> Reaction {
        let elapsed = now.saturating_duration_since(self.checked);
        self.checked = now;
        let burst = whole(self.config.max_burst);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.config.rate).min(burst);
        let difference =
            |of: fn(&Totals, Kind) -> u64| totals.sum(of).saturating_sub(self.last.sum(of));
        let (mut lost, mut seen) = (difference(Totals::lost), difference(Totals::seen));
        if self.config.simulate_drops {
            (lost, seen) = (lost + 1, seen + 1);
        }
        let before = std::mem::replace(&mut self.last, *totals);
        if lost == 0 {
            return Reaction::default();
        }
        self.occurrences += 1;
        self.unreported += lost;
        if whole(lost) / whole(seen.max(lost)) <= self.config.threshold || self.tokens < 1.0 {
            return Reaction::default();
        }
        self.tokens -= 1.0;
        self.actions += 1;
        let acts = |action| self.config.actions.contains(&action);
        if acts(DropAction::Log) {
            log_warning!("{lost} of {seen} system calls dropped in last second");
        }
        let record = acts(DropAction::Alert).then(|| self.record(lost, seen, &before, totals));
        self.unreported = 0;
        Reaction {
            record,
            exit: acts(DropAction::Exit),
        }
    }

    /// Falco's record, all figures as text; ours by cause beside them.
    fn record(&self, lost: u64, seen: u64, before: &Totals, now: &Totals) -> Record {
        let message = format!(
            "Falco internal: syscall event drop. {lost} system calls dropped in last second."
        );
        let kernel = |counter| -> u64 {
            let sum = |totals: &Totals| totals.sum(|totals, kind| totals.kernel(kind, counter));
            sum(now).saturating_sub(sum(before))
        };
        let full = |group: Group| {
            let sum = |totals| group.sum(totals, Kernel::RingFull);
            sum(now).saturating_sub(sum(before))
        };
        let mut record = Record::new(
            "Falco internal: syscall event drop",
            Priority::Debug,
            message,
        );
        let zero = [
            "n_drops_buffer_clone_fork_exit",
            "n_drops_buffer_close_exit",
            "n_drops_buffer_dir_file_exit",
            "n_drops_buffer_open_exit",
            "n_drops_buffer_proc_exit",
            "n_drops_page_faults",
        ];
        for name in zero {
            record = record.field(name, "0");
        }
        let behind = |cause: Loss| -> u64 {
            let sum = |totals: &Totals| totals.sum(|t, k| t.lost[k as usize][cause as usize]);
            sum(now).saturating_sub(sum(before))
        };
        let figures = [
            ("n_drops", lost),
            ("n_drops_buffer_total", kernel(Kernel::RingFull)),
            ("n_drops_buffer_connect_exit", full(Group::Connect)),
            ("n_drops_buffer_execve_exit", full(Group::Execve)),
            (
                "n_drops_buffer_other_interest_exit",
                full(Group::OtherInterest),
            ),
            ("n_drops_scratch_map", kernel(Kernel::NoScratch)),
            ("n_drops_bug", behind(Loss::Undecodable)),
            ("n_evts", seen),
            ("sensor.drops_since_last_record", self.unreported),
            ("sensor.lost_throttled", kernel(Kernel::Throttled)),
        ];
        for (name, value) in figures {
            record = record.field(name, value.to_string());
        }
        record.field("ebpf_enabled", "1")
    }
}

/// Counts are far below 2⁵² here.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share of events needs no more"
)]
fn whole(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Events, KernelCounts};

    fn totals(seen: u64, full: u64) -> Totals {
        let mut kernel = KernelCounts::default();
        kernel[0][Kernel::Seen as usize] = seen;
        kernel[0][Kernel::RingFull as usize] = full;
        Events::default().totals(&kernel)
    }

    fn monitor() -> (DropMonitor, Instant) {
        let now = Instant::now();
        (DropMonitor::new(SyscallEventDrops::default(), now), now)
    }

    #[test]
    fn a_loss_is_told_with_its_cause() {
        let (mut monitor, now) = monitor();
        let reaction = monitor.check(now + Duration::from_secs(1), &totals(100, 20));
        let record = reaction.record.unwrap();
        assert_eq!(record.rule, "Falco internal: syscall event drop");
        assert!(
            record
                .message
                .ends_with("20 system calls dropped in last second.")
        );
        assert_eq!(record.fields["n_drops"], "20");
        assert_eq!(record.fields["n_drops_buffer_execve_exit"], "20");
        assert_eq!(record.fields["n_evts"], "100");
        assert!(!reaction.exit);
    }

    #[test]
    fn losses_below_the_threshold_are_counted_only() {
        let (mut monitor, now) = monitor();
        let reaction = monitor.check(now + Duration::from_secs(1), &totals(1000, 20));
        assert_eq!(reaction, Reaction::default());
        assert_eq!(monitor.counts(), (1, 0));
    }

    #[test]
    fn records_are_limited_in_rate() {
        let (mut monitor, now) = monitor();
        let mut records = 0;
        for second in 1..=60 {
            let totals = totals(second * 100, second * 50);
            let now = now + Duration::from_secs(second);
            records += u64::from(monitor.check(now, &totals).record.is_some());
        }
        assert_eq!((records, monitor.counts().0), (2, 60));
    }

    #[test]
    fn without_actions_nothing_is_done() {
        let now = Instant::now();
        let config = SyscallEventDrops {
            actions: Vec::new(),
            simulate_drops: true,
            ..SyscallEventDrops::default()
        };
        let mut monitor = DropMonitor::new(config, now);
        let reaction = monitor.check(now + Duration::from_secs(1), &totals(0, 0));
        assert_eq!(reaction, Reaction::default());
    }
}
