//! An enriched event → the lines of the rules that match.

use std::{sync::Arc, time::Duration};

use falco_rules::{Rule, RuleSet, Scratch, Source, Timed};
use outputs::{AlertFormat, AlertOptions, AlertScratch, Form};
use telemetry::{RuleLabel, RuleTable, Telemetry};

use crate::Lines;

/// The forms of a rule's alerts: as the configuration says, and as text for a terminal.
#[derive(Debug)]
struct Formats {
    line: AlertFormat,
    text: AlertFormat,
}

impl Formats {
    fn of(&self, form: Form) -> &AlertFormat {
        match form {
            Form::Configured => &self.line,
            Form::Terminal => &self.text,
        }
    }
}

/// What the rules that matched an event say of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordingDemand {
    /// Whether a rule asks for a recording (`capture: true`).
    pub asked: bool,
    /// The longest duration that a rule has.
    pub longest: Option<Duration>,
    /// Whether a rule has no duration of its own.
    pub has_default: bool,
}

impl RecordingDemand {
    fn add<S: Source>(&mut self, rule: &Rule<S>) {
        self.asked |= rule.capture;
        self.longest = self.longest.max(rule.capture_duration);
        self.has_default |= rule.capture_duration.is_none();
    }

    /// How long a recording lasts from the event on, at least.
    #[must_use]
    pub fn duration(&self, default: Duration) -> Duration {
        let own = self.longest.unwrap_or_default();
        if self.has_default {
            own.max(default)
        } else {
            own
        }
    }
}

/// Evaluates the rules of a source for its events, and writes the alerts.
#[derive(Debug)]
pub struct Evaluator<S: Timed> {
    rules: Arc<RuleSet<S>>,
    formats: Vec<Formats>,
    telemetry: Arc<Telemetry>,
    matches: Arc<RuleTable>,
    hostname: String,
    evaluation: Scratch,
    alert: AlertScratch,
    demand: RecordingDemand,
}

impl<S: Timed> Evaluator<S> {
    /// An evaluator with those rules.
    #[must_use]
    pub fn new(rules: Arc<RuleSet<S>>, alerts: AlertOptions, telemetry: &Arc<Telemetry>) -> Self {
        let hostname = telemetry.identity.hostname.clone();
        Self {
            formats: formats(&rules, alerts, &hostname),
            matches: telemetry.rules.load(S::NAME, labels(&rules)),
            telemetry: Arc::clone(telemetry),
            rules,
            hostname,
            evaluation: Scratch::default(),
            alert: AlertScratch::default(),
            demand: RecordingDemand::default(),
        }
    }

    /// Takes other rules, from the next event on.
    pub fn set_rules(&mut self, rules: Arc<RuleSet<S>>, alerts: AlertOptions) {
        self.formats = formats(&rules, alerts, &self.hostname);
        self.matches = self.telemetry.rules.load(S::NAME, labels(&rules));
        self.rules = rules;
    }

    /// What the rules that matched the last event say of a recording.
    #[must_use]
    pub fn recording_demand(&self) -> RecordingDemand {
        self.demand
    }

    /// Writes the lines for an event to `lines`; returns their number.
    pub fn evaluate<'e>(&mut self, event: &'e S::Event<'e>, lines: &mut impl Lines) -> u64 {
        let Self {
            rules,
            formats,
            matches,
            evaluation,
            alert,
            demand,
            ..
        } = self;
        let mut made = 0;
        *demand = RecordingDemand::default();
        let mut each = |rule: &Rule<S>| {
            let Some(formats) = formats.get(rule.index) else {
                return;
            };
            lines.line(rule.priority, |form, out| {
                formats.of(form).write(rule, event, alert, out);
            });
            matches.matched(rule.index);
            demand.add(rule);
            made += 1;
        };
        if matches.is_profiled {
            rules.evaluate_metered(evaluation, event, &mut &**matches, &mut each);
        } else {
            rules.evaluate(evaluation, event, &mut each);
        }
        made
    }
}

fn formats<S: Timed>(rules: &RuleSet<S>, alerts: AlertOptions, hostname: &str) -> Vec<Formats> {
    let text = AlertOptions {
        json: false,
        ..alerts
    };
    let formats = rules.rules().iter().map(|rule| Formats {
        line: AlertFormat::new(rule, alerts, hostname),
        text: AlertFormat::new(rule, text, hostname),
    });
    formats.collect()
}

/// The labels of each rule in metrics.
fn labels<S: Timed>(rules: &RuleSet<S>) -> Vec<RuleLabel> {
    let all = rules.rules().iter().zip(rules.info());
    let labels = all.map(|(rule, info)| RuleLabel {
        name: rule.name.to_string(),
        state: info.state(),
        source: rule.source.clone(),
        priority: rule.priority,
        tags: rule.tags.iter().map(ToString::to_string).collect(),
    });
    labels.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_duration_counts_and_the_default_is_that_of_rules_without_one() {
        let default = Duration::from_secs(5);
        let demand = |longest: Option<u64>, has_default| RecordingDemand {
            asked: true,
            longest: longest.map(Duration::from_secs),
            has_default,
        };
        for (longest, has_default, expected) in [
            (None, true, 5),
            (Some(2), false, 2),
            (Some(2), true, 5),
            (Some(9), true, 9),
        ] {
            let duration = demand(longest, has_default).duration(default);
            assert_eq!(duration, Duration::from_secs(expected));
        }
    }
}
