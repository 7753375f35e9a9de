//! The outputs in metrics and readiness.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use outputs::{Control, DropCause};
use telemetry::{Condition, Exposition, Health, Metric, Telemetry, catalog as c};

use super::{OutputState, Stalls};

/// Watches all outputs and reports their figures.
#[derive(Clone, Debug, Default)]
pub struct OutputReport {
    control: Control,
    stalls: Arc<Mutex<Stalls>>,
}

impl OutputReport {
    /// A report on the outputs that `control` leads to.
    #[must_use]
    pub fn new(control: Control) -> Self {
        Self {
            control,
            stalls: Arc::default(),
        }
    }

    /// Adds the outputs' figures to the metrics, and their state to readiness.
    pub fn connect(&self, telemetry: &Telemetry) {
        let report = self.clone();
        telemetry.collect(Box::new(move |out| report.expose(out)));
        let report = self.clone();
        telemetry.add_probe(Box::new(move |health| report.check(health)));
    }

    /// The number of lines that all outputs dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let accounts = self.control.accounts();
        let dropped = accounts.iter().map(|(_, a)| a.counts().dropped_total());
        dropped.sum()
    }

    /// The handle of the outputs.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Sets how long an output may take, see [`Stalls`].
    pub fn set_timeout(&self, timeout: Duration) {
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.set_timeout(timeout);
    }

    /// Sets readiness to whether the outputs write their lines.
    fn check(&self, health: &Health) {
        let (now, active) = (Instant::now(), self.control.active());
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failing = Vec::new();
        for (name, account) in active {
            let found = stalls.look(now, name, &account.counts());
            if found == OutputState::Blocked {
                account.timeouts.fetch_add(1, Relaxed);
            }
            if found != OutputState::Well || !account.healthy.load(Relaxed) {
                failing.push(name);
            }
        }
        drop(stalls);
        if failing.is_empty() {
            health.hold(Condition::OutputsWritable);
        } else {
            let reason = format!("not written: {}", failing.join(", "));
            health.fail(Condition::OutputsWritable, reason);
        }
    }

    fn expose(&self, out: &mut Exposition) {
        for (name, account) in self.control.accounts() {
            let counts = account.counts();
            out.add(&c::OUTPUT_OFFERED, &[name], counts.offered);
            out.add(&c::OUTPUT_WRITTEN, &[name], counts.written);
            out.add(&c::OUTPUT_SPOOLED, &[name], counts.spooled);
            for cause in DropCause::ALL {
                let labels = [name, cause.name()];
                out.add(&c::OUTPUT_DROPPED, &labels, counts.dropped[cause as usize]);
            }
            let mut count = |metric: &'static Metric, labels: &[&str], value: &AtomicU64| {
                out.add(metric, labels, value.load(Relaxed));
            };
            count(&c::OUTPUT_BYTES, &[name], &account.bytes);
            count(&c::OUTPUT_ERRORS, &[name], &account.errors);
            count(&c::OUTPUT_TIMEOUTS, &[name], &account.timeouts);
            count(&c::OUTPUT_ROTATIONS, &[name], &account.rotations);
            count(&c::OUTPUT_REOPENS, &[name], &account.reopens);
            count(
                &c::OUTPUT_SPOOL_BYTES,
                &[name, "memory"],
                &account.memory_bytes,
            );
            count(&c::OUTPUT_SPOOL_BYTES, &[name, "disk"], &account.disk_bytes);
            let healthy = account.healthy.load(Relaxed);
            out.add(&c::OUTPUT_HEALTHY, &[name], healthy);
        }
        out.add(&c::FALCO_QUEUE_DROPS, &[], self.dropped());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_follows_the_outputs() {
        let health = Health::default();
        health.require(Condition::OutputsWritable);
        assert!(!health.is_ready());
        OutputReport::default().check(&health);
        assert!(health.is_ready());
    }

    #[test]
    fn metrics_show_the_lines_that_the_outputs_dropped() {
        let mut out = Exposition::default();
        OutputReport::default().expose(&mut out);
        let text = out.render();
        assert!(text.contains("outputs_queue_num_drops_total 0\n"), "{text}");
    }
}
