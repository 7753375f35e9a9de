//! Readiness, and the reasons against it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A readiness condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The kernel side is attached.
    ProgramsAttached,
    /// Events arrive: the exec of the self-test came back.
    SelfTestPassed,
    /// containerd answers.
    ContainerdAnswered,
    /// The API server answers.
    KubeAnswered,
    /// The outputs can write.
    OutputsWritable,
    /// All rules files are good.
    RulesGood,
    /// The sensor can take over from the one that runs.
    TakeoverPossible,
}

impl Condition {
    /// Name in metrics and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProgramsAttached => "programs_attached",
            Self::SelfTestPassed => "self_test_passed",
            Self::ContainerdAnswered => "containerd_answered",
            Self::KubeAnswered => "kube_answered",
            Self::OutputsWritable => "outputs_writable",
            Self::RulesGood => "rules_good",
            Self::TakeoverPossible => "takeover_possible",
        }
    }
}

/// The readiness conditions of this configuration; each has a reason while it does not hold.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<Condition, Option<String>>>);

impl Health {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Condition, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a condition, which does not hold until somebody reports that it does.
    pub fn require(&self, condition: Condition) {
        self.lock()
            .entry(condition)
            .or_insert_with(|| Some("not yet".into()));
    }

    /// Removes a condition.
    pub fn forget(&self, condition: Condition) {
        self.lock().remove(&condition);
    }

    /// Reports that a condition holds.
    pub fn hold(&self, condition: Condition) {
        self.lock().insert(condition, None);
    }

    /// Reports that a condition does not hold, and why.
    pub fn fail(&self, condition: Condition, reason: impl Into<String>) {
        self.lock().insert(condition, Some(reason.into()));
    }

    /// Every condition, with the reason if it does not hold.
    #[must_use]
    pub fn conditions(&self) -> Vec<(Condition, Option<String>)> {
        self.lock().iter().map(|(c, r)| (*c, r.clone())).collect()
    }

    /// Whether all conditions hold.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sensor_is_ready_when_every_readiness_condition_holds() {
        let health = Health::default();
        health.require(Condition::ProgramsAttached);
        health.require(Condition::OutputsWritable);
        assert!(!health.is_ready());
        health.hold(Condition::ProgramsAttached);
        health.hold(Condition::OutputsWritable);
        assert!(health.is_ready());
        health.require(Condition::OutputsWritable);
        assert!(health.is_ready(), "what holds is not forgotten");
        health.fail(Condition::OutputsWritable, "disk full");
        assert!(!health.is_ready());
        health.forget(Condition::OutputsWritable);
        assert!(health.is_ready());
    }
}
