//! What is looked at now and then: losses, and the time for a metrics record.

use std::time::{Duration, Instant};

use crate::{
    agent::Agent,
    config::Config,
    output::{Identity, internal::Record},
    telemetry::{DropMonitor, Snapshots, Telemetry},
};

/// Watches losses and makes the records that the sensor writes about itself.
pub(super) struct Monitor {
    drops: DropMonitor,
    snapshots: Snapshots,
    next_snapshot: Instant,
}

impl Monitor {
    pub(super) fn new(config: &Config) -> Self {
        let now = Instant::now();
        Self {
            drops: DropMonitor::new(config.syscall_event_drops.clone(), now),
            snapshots: Snapshots::default(),
            next_snapshot: now + interval(config),
        }
    }

    /// Other settings, the same counts.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        self.drops.reconfigure(config.syscall_event_drops.clone());
        self.next_snapshot = Instant::now() + interval(config);
    }

    /// Does what is due. True if the sensor is to stop because of losses.
    pub(super) fn tick(
        &mut self,
        telemetry: &Telemetry,
        identity: &Identity,
        config: &Config,
        agent: &Agent,
    ) -> bool {
        let now = Instant::now();
        let mut exit = false;
        // Reading all counters takes some dozens of system calls.
        if self.drops.due(now) {
            let reaction = self.drops.check(now, &telemetry.totals());
            exit = reaction.exit;
            if let Some(record) = reaction.record {
                write(agent, identity, &record);
            }
        }
        if config.metrics.enabled && config.metrics.output_rule && now >= self.next_snapshot {
            self.next_snapshot = now + interval(config);
            write(
                agent,
                identity,
                &self.snapshots.record(telemetry, &config.metrics),
            );
        }
        exit
    }

    /// How often events were lost in some second, and how often something was done.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.drops.counts()
    }
}

fn write(agent: &Agent, identity: &Identity, record: &Record) {
    agent.line(record.line(identity), record.priority as u8);
}

fn interval(config: &Config) -> Duration {
    config.metrics.interval.0.max(Duration::from_millis(100))
}
