//! An enriched event → the lines of the rules that match.

use std::sync::Arc;

use falco_rules::{Rule, RuleSet, Scratch, Timed};
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
        }
    }

    /// Takes other rules, from the next event on.
    pub fn set_rules(&mut self, rules: Arc<RuleSet<S>>, alerts: AlertOptions) {
        self.formats = formats(&rules, alerts, &self.hostname);
        self.matches = self.telemetry.rules.load(S::NAME, labels(&rules));
        self.rules = rules;
    }

    /// Writes the lines for an event to `lines`; returns their number.
    pub fn evaluate<'e>(&mut self, event: &'e S::Event<'e>, lines: &mut impl Lines) -> u64 {
        let Self {
            rules,
            formats,
            matches,
            evaluation,
            alert,
            ..
        } = self;
        let mut made = 0;
        let mut each = |rule: &Rule<S>| {
            let Some(formats) = formats.get(rule.index) else {
                return;
            };
            lines.line(rule.priority, |form, out| {
                formats.of(form).write(rule, event, alert, out);
            });
            matches.matched(rule.index);
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
