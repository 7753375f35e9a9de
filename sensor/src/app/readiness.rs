//! Whether the sensor is ready: one answer for the log, for `/readyz` and for metrics.

use std::time::{Duration, Instant};

use telemetry::{Condition, Health};
use tracing::{info, warn};

/// How long a start may take before the log says what is missing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says in the log when the sensor becomes ready, and when it no longer is.
#[derive(Debug)]
pub(super) struct Readiness {
    since: Instant,
    /// What the log says; none: nothing yet.
    said: Option<bool>,
}

impl Readiness {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            said: None,
        }
    }

    /// When the sensor became ready, if it is.
    pub(super) fn ready_since(&self) -> Option<Instant> {
        (self.said == Some(true)).then_some(self.since)
    }

    /// Whether the log has said whether the sensor is ready.
    pub(super) fn is_settled(&self) -> bool {
        self.said.is_some()
    }

    /// Compares the readiness conditions with what the log says.
    pub(super) fn look(&mut self, health: &Health, now: Instant) {
        let against = reasons(health);
        let patient = self.said.is_none() && now.duration_since(self.since) < PATIENCE;
        match (against.is_empty(), self.said) {
            (true, Some(true)) | (false, Some(false)) => return,
            (false, _) if patient => return,
            (true, _) => info!("ready"),
            (false, _) => warn!("not ready: {}", against.join("; ")),
        }
        self.said = Some(against.is_empty());
        self.since = now;
    }
}

/// The readiness conditions that do not hold, each with its reason.
fn reasons(health: &Health) -> Vec<String> {
    let conditions = health.conditions().into_iter();
    let against = conditions.filter_map(|(condition, reason)| Some((condition, reason?)));
    against
        .map(|(condition, reason)| format!("{}: {reason}", condition.name()))
        .collect()
}

/// Sets the readiness condition on container runtimes.
pub(super) fn judge_runtimes(runtimes: &metadata::Health, health: &Health) {
    match runtimes.missing_runtimes() {
        Some(reason) => health.fail(Condition::ContainerdAnswered, reason),
        None => health.hold(Condition::ContainerdAnswered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_each_change_once_and_is_patient_at_the_start() {
        let health = Health::default();
        health.require(Condition::OutputsWritable);
        let mut readiness = Readiness::new();
        let start = readiness.since;
        readiness.look(&health, start);
        assert_eq!(readiness.said, None, "a start takes a moment");
        readiness.look(&health, start + PATIENCE);
        assert_eq!(readiness.said, Some(false));
        health.hold(Condition::OutputsWritable);
        let later = start + 2 * PATIENCE;
        readiness.look(&health, later);
        assert_eq!(readiness.ready_since(), Some(later));
        health.fail(Condition::OutputsWritable, "disk full");
        readiness.look(&health, later);
        assert_eq!(readiness.ready_since(), None);
    }
}
