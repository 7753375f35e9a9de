//! What is looked at now and then: losses, and the time for a metrics record.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use config::{Config, Priority};
use telemetry::{Condition, Ledger, Telemetry};
use tracing::error;

use crate::{
    agent::Agent,
    output::{Identity, internal::Record},
    reports::{DropMonitor, OutputReport, SnapshotFile, Snapshots},
    self_test::{SelfTest, Verdict},
};

/// What is looked at.
pub(super) struct Observed<'a> {
    /// Everything that is counted.
    pub(super) telemetry: &'a Telemetry,
    /// What becomes of system calls.
    pub(super) ledger: &'a Ledger,
    /// What becomes of lines.
    pub(super) outputs: &'a OutputReport,
    /// Who writes the records.
    pub(super) identity: &'a Identity,
}

/// Watches losses and makes the records that the sensor writes about itself.
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

    /// Other settings, the same counts.
    pub(super) fn reconfigure(&mut self, config: &Config, telemetry: &Arc<Telemetry>) {
        self.snapshot_file = SnapshotFile::start(config, telemetry, self.snapshot_file.take());
        self.drops.reconfigure(config.syscall_event_drops.clone());
        self.next_snapshot = Instant::now() + interval(config);
    }

    /// Does what is due. True if the sensor is to stop because of losses.
    pub(super) fn tick(&mut self, observed: &Observed<'_>, config: &Config, agent: &Agent) -> bool {
        let Observed {
            telemetry,
            ledger,
            outputs,
            identity,
        } = *observed;
        let now = Instant::now();
        let mut exit = false;
        // Reading all counters takes some dozens of system calls.
        if self.drops.due(now) {
            let reaction = self.drops.check(now, &ledger.totals());
            exit = reaction.exit;
            if let Some(record) = reaction.record {
                write(agent, identity, &record);
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
                write(agent, identity, &record);
            }
        }
        if let Some(verdict) = self.self_test.as_mut().and_then(|test| test.tick(now))
            && let Some(record) = judge(verdict, telemetry)
        {
            write(agent, identity, &record);
        }
        exit
    }

    /// How often events were lost in some second, and how often something was done.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.drops.counts()
    }
}

/// Readiness follows the self-test; a failure is said, and is a record too.
fn judge(verdict: Verdict, telemetry: &Telemetry) -> Option<Record> {
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

fn write(agent: &Agent, identity: &Identity, record: &Record) {
    agent.line(record.line(identity), record.priority as u8);
}

fn interval(config: &Config) -> Duration {
    config.metrics.interval.0.max(Duration::from_millis(100))
}
