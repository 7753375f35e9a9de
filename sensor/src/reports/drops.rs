//! Reports lost events and acts on them: `syscall_event_drops`.

use std::time::{Duration, Instant};

use config::{DropAction, SyscallEventDrops};
use falco_rules::Priority;
use outputs::internal::Record;
use telemetry::{KindTotals, Meaning, SourceTotals};
use tracing::warn;

/// The shortest time between two checks.
const INTERVAL: Duration = Duration::from_millis(900);

/// What the sensor has to do about losses.
#[derive(Debug, Default, PartialEq)]
pub struct Reaction {
    /// A record for all outputs.
    pub record: Option<Record>,
    /// Whether the sensor has to stop.
    pub exit: bool,
}

/// Compares the counts of one second with those of the next.
#[derive(Debug)]
pub struct DropMonitor {
    config: SyscallEventDrops,
    last: SourceTotals,
    checked: Instant,
    tokens: f64,
    occurrences: u64,
    actions: u64,
    /// Events lost since the last record.
    unreported: u64,
}

impl DropMonitor {
    /// A monitor that has seen no loss yet.
    #[must_use]
    pub fn new(config: SyscallEventDrops, now: Instant) -> Self {
        Self {
            tokens: whole(config.max_burst),
            config,
            last: SourceTotals::default(),
            checked: now,
            occurrences: 0,
            actions: 0,
            unreported: 0,
        }
    }

    /// Takes over other settings, and keeps the counts.
    pub fn reconfigure(&mut self, config: SyscallEventDrops) {
        self.config = config;
    }

    /// The number of seconds in which events were lost, and the number of times the sensor acted on
    /// a loss.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.occurrences, self.actions)
    }

    /// Whether it is time for [`Self::check`], which is about once a second.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.checked) >= INTERVAL
    }

    /// Compares the counts with those of the last check. Call this when [`Self::due`] returns true.
    pub fn check(&mut self, now: Instant, totals: &SourceTotals) -> Reaction {
        let elapsed = now.saturating_duration_since(self.checked);
        self.checked = now;
        let burst = whole(self.config.max_burst);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.config.rate).min(burst);
        let difference =
            |of: fn(&KindTotals) -> u64| totals.sum(of).saturating_sub(self.last.sum(of));
        let (mut lost, mut seen) = (difference(KindTotals::lost), difference(KindTotals::seen));
        if self.config.simulate_drops {
            (lost, seen) = (lost + 1, seen + 1);
        }
        let before = std::mem::replace(&mut self.last, totals.clone());
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
            warn!("{lost} of {seen} system calls dropped in last second");
        }
        let record = acts(DropAction::Alert).then(|| self.record(lost, seen, &before, totals));
        self.unreported = 0;
        Reaction {
            record,
            exit: acts(DropAction::Exit),
        }
    }

    /// Falco's record, with all figures as text, and beside them the sensor's own figures by cause.
    fn record(&self, lost: u64, seen: u64, before: &SourceTotals, now: &SourceTotals) -> Record {
        let message = format!(
            "Falco internal: syscall event drop. {lost} system calls dropped in last second."
        );
        let difference =
            |of: &dyn Fn(&KindTotals) -> u64| -> u64 { now.sum(of).saturating_sub(before.sum(of)) };
        let cause = |name| difference(&|kind| kind.named(Meaning::Lost, name));
        let full = |buffer| {
            difference(&|kind| {
                let of_buffer = kind.kind.buffer == buffer;
                if of_buffer {
                    kind.named(Meaning::Lost, "ring_full")
                } else {
                    0
                }
            })
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
        let figures = [
            ("n_drops", lost),
            ("n_drops_buffer_total", cause("ring_full")),
            ("n_drops_buffer_connect_exit", full("connect")),
            ("n_drops_buffer_execve_exit", full("execve")),
            ("n_drops_buffer_other_interest_exit", full("other_interest")),
            ("n_drops_scratch_map", cause("no_scratch")),
            ("n_drops_bug", cause("undecodable")),
            ("n_evts", seen),
            ("sensor.drops_since_last_record", self.unreported),
            ("sensor.lost_throttled", cause("throttled")),
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
    use telemetry::{Count, Kind, Ledger};

    use super::*;

    fn totals(seen: u64, full: u64) -> SourceTotals {
        let exec = Kind {
            name: "exec",
            buffer: "execve",
        };
        let ledger = Ledger::new("syscall", [exec], &[]);
        ledger.set_counts(Box::new(move || {
            let count = |meaning, name, events| Count {
                meaning,
                name,
                events,
            };
            vec![vec![
                count(Meaning::Seen, "seen", seen),
                count(Meaning::Lost, "ring_full", full),
            ]]
        }));
        ledger.totals()
    }

    fn monitor() -> (DropMonitor, Instant) {
        let now = Instant::now();
        (DropMonitor::new(SyscallEventDrops::default(), now), now)
    }

    #[test]
    fn the_record_of_a_loss_has_the_cause() {
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
    fn losses_below_the_threshold_make_no_record() {
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
    fn a_loss_without_configured_actions_has_no_effect() {
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
