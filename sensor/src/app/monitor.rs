//! The periodic work of the main thread: losses, metrics records, the self-test.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use config::Config;
use events::Feed;
use falco_rules::Priority;
use outputs::internal::Record;
use telemetry::{Condition, Ledger, Telemetry};
use tracing::error;

use crate::{
    reports::{DropMonitor, OutputReport, SnapshotFile, Snapshots},
    sources::syscall::{
        SystemCalls,
        self_test::{SelfTest, Verdict},
    },
};

/// The counters that the monitor reads.
pub(super) struct Observed<'a> {
    /// All counters of the sensor.
    pub(super) telemetry: &'a Telemetry,
    /// Counts what becomes of system calls.
    pub(super) ledger: &'a Ledger,
    /// Counts what becomes of lines.
    pub(super) outputs: &'a OutputReport,
}

/// Watches losses and makes internal records.
pub(super) struct Monitor {
    drops: DropMonitor,
    snapshots: Snapshots,
    snapshot_file: Option<SnapshotFile>,
    next_snapshot: Instant,
    self_test: Option<SelfTest>,
}

impl Monitor {
    pub(super) fn new(
        config: &Config,
        telemetry: &Arc<Telemetry>,
        self_test: Option<SelfTest>,
    ) -> Self {
        let now = Instant::now();
        Self {
            drops: DropMonitor::new(config.syscall_event_drops.clone(), now),
            snapshots: Snapshots::default(),
            snapshot_file: SnapshotFile::start(config, telemetry, None),
            next_snapshot: now + interval(config),
            self_test,
        }
    }

    /// Takes over other settings, and keeps the counts.
    pub(super) fn reconfigure(&mut self, config: &Config, telemetry: &Arc<Telemetry>) {
        self.snapshot_file = SnapshotFile::start(config, telemetry, self.snapshot_file.take());
        self.drops.reconfigure(config.syscall_event_drops.clone());
        self.next_snapshot = Instant::now() + interval(config);
    }

    /// Does the work that is due. Returns true if the sensor has to stop because of losses.
    pub(super) fn tick(
        &mut self,
        observed: &Observed<'_>,
        config: &Config,
        feed: &Feed<SystemCalls>,
    ) -> bool {
        let Observed {
            telemetry,
            ledger,
            outputs,
        } = *observed;
        let now = Instant::now();
        let mut exit = false;
        // Reading all counters takes some dozens of system calls.
        if self.drops.due(now) {
            let reaction = self.drops.check(now, &ledger.totals());
            exit = reaction.exit;
            if let Some(record) = reaction.record {
                feed.record(record);
            }
        }
        let metrics = &config.metrics;
        let is_wanted = metrics.output_rule || self.snapshot_file.is_some();
        if metrics.enabled && is_wanted && now >= self.next_snapshot {
            self.next_snapshot = now + interval(config);
            let record = self.snapshots.record(telemetry, outputs, metrics);
            if let Some(file) = &mut self.snapshot_file {
                file.write(self.snapshots.sample(&record));
            }
            if metrics.output_rule {
                feed.record(record);
            }
        }
        if let Some(verdict) = self.self_test.as_mut().and_then(|test| test.tick(now))
            && let Some(record) = judge(verdict, telemetry)
        {
            feed.record(record);
        }
        exit
    }

    /// The number of seconds in which events were lost, and the number of times the sensor acted on
    /// a loss.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.drops.counts()
    }
}

/// Sets readiness to the result of the self-test; logs a failure and returns a record of it.
pub(super) fn judge(verdict: Verdict, telemetry: &Telemetry) -> Option<Record> {
    match verdict {
        Verdict::Passed => {
            telemetry.health.hold(Condition::SelfTestPassed);
            None
        }
        Verdict::Failed(reason) => {
            error!("{reason}");
            let message = format!("Sensor internal: self-test. {reason}");
            telemetry.health.fail(Condition::SelfTestPassed, reason);
            let rule = "Sensor internal: self-test";
            Some(Record::new(rule, Priority::Critical, message))
        }
    }
}

fn interval(config: &Config) -> Duration {
    config.metrics.interval.0.max(Duration::from_millis(100))
}
