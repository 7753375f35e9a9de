//! Whether the sensor is ready: one answer for the log, for `/readyz` and for metrics.

use std::time::{Duration, Instant};

use config::Toggle;
use metadata::{RuntimeHealth, RuntimeState};
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

/// Sets the readiness condition on container runtimes, from the state of each.
pub(super) fn judge_runtimes(runtimes: &[RuntimeHealth], wanted: Toggle, health: &Health) {
    match missing(runtimes, wanted) {
        Some(reason) => health.fail(Condition::ContainerdAnswered, reason),
        None => health.hold(Condition::ContainerdAnswered),
    }
}

/// What is missing of the runtimes: where the configuration asks for one, one must answer; where
/// it leaves that open, one must answer if any is there.
fn missing(runtimes: &[RuntimeHealth], wanted: Toggle) -> Option<String> {
    let is = |state| runtimes.iter().any(|runtime| runtime.state == state);
    if wanted == Toggle::Off || is(RuntimeState::Connected) {
        return None;
    }
    let there: Vec<_> = runtimes
        .iter()
        .filter(|runtime| runtime.state == RuntimeState::Connecting)
        .map(|runtime| runtime.socket.display().to_string())
        .collect();
    match wanted {
        _ if !there.is_empty() => Some(format!("no answer from {}", there.join(", "))),
        Toggle::On => Some("no socket of containerd answers".into()),
        Toggle::Auto | Toggle::Off => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtimes(states: &[RuntimeState]) -> Vec<RuntimeHealth> {
        let runtime = |(number, state): (usize, &RuntimeState)| RuntimeHealth {
            socket: format!("/run/{number}.sock").into(),
            state: *state,
        };
        states.iter().enumerate().map(runtime).collect()
    }

    #[test]
    fn a_node_is_ready_when_what_it_was_asked_for_is_there() {
        use RuntimeState::{Absent, Connected, Connecting};
        use Toggle::{Auto, Off, On};
        for (wanted, states, ready) in [
            (Auto, &[Absent, Absent][..], true),
            (Auto, &[Absent, Connecting], false),
            (Auto, &[Connecting, Connected], true),
            (On, &[Absent, Absent], false),
            (On, &[Absent, Connecting], false),
            (On, &[Absent, Connected], true),
            (Off, &[], true),
        ] {
            let missing = missing(&runtimes(states), wanted);
            assert_eq!(
                missing.is_none(),
                ready,
                "{wanted:?} {states:?}: {missing:?}"
            );
        }
    }

    #[test]
    fn the_runtime_that_does_not_answer_is_named() {
        let states = [RuntimeState::Absent, RuntimeState::Connecting];
        let reason = missing(&runtimes(&states), Toggle::Auto).unwrap();
        assert_eq!(reason, "no answer from /run/1.sock");
    }

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
