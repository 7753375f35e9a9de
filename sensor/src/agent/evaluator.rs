//! An event and what is known about it → the lines of the rules that match.

use std::{hash::Hasher as _, sync::Arc};

use bumpalo::Bump;
use metadata::{ContainerState, Users};
use rustc_hash::FxHasher;
use telemetry::{RuleLabel, RuleTable, Telemetry};

use super::Sink;
use crate::{
    capture::Clock,
    event::Event,
    fields::{Context, Memo},
    lineage::Lineage,
    output::{AlertFormat, AlertOptions, AlertScratch},
    rules::{RuleSet, Scratch},
};

/// Who the sensor is.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name of the node.
    pub hostname: String,
    /// Of this boot, for ids that are unique over boots.
    pub boot_id: u64,
}

impl Node {
    /// A node of that name, in the boot with that id (the kernel's text).
    #[must_use]
    pub fn new(hostname: &str, boot_id: &str) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(boot_id.as_bytes());
        Self {
            hostname: hostname.to_owned(),
            boot_id: hasher.finish(),
        }
    }
}

/// The forms of a rule's alerts: as configured, and as text for a terminal.
struct Formats {
    line: AlertFormat,
    text: AlertFormat,
}

/// Evaluates the rules and formats their alerts.
pub(super) struct Evaluator {
    rules: Arc<RuleSet>,
    formats: Vec<Formats>,
    telemetry: Arc<Telemetry>,
    /// Where matches are counted.
    matches: Arc<RuleTable>,
    options: AlertOptions,
    node: Node,
    arena: Bump,
    evaluation: Scratch,
    scratch: AlertScratch,
    line: Vec<u8>,
    text: Vec<u8>,
    /// The programs of processes.
    pub(super) lineage: Lineage,
    /// Names of users and groups.
    pub(super) users: Users,
    /// From boot time to UTC.
    pub(super) clock: Clock,
}

impl Evaluator {
    pub(super) fn new(
        rules: Arc<RuleSet>,
        options: AlertOptions,
        node: Node,
        lineage: Lineage,
        users: Users,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            formats: formats(&rules, options),
            matches: telemetry.rules.load(labels(&rules)),
            telemetry,
            rules,
            options,
            node,
            arena: Bump::new(),
            evaluation: Scratch::default(),
            scratch: AlertScratch::default(),
            line: Vec::new(),
            text: Vec::new(),
            lineage,
            users,
            clock: Clock::new(),
        }
    }

    /// Takes other rules, from the next event on.
    pub(super) fn set_rules(&mut self, rules: Arc<RuleSet>, options: AlertOptions) {
        self.formats = formats(&rules, options);
        self.matches = self.telemetry.rules.load(labels(&rules));
        self.options = options;
        self.rules = rules;
    }

    /// Gives the lines for an event to `sink`, and counts it; their number.
    pub(super) fn evaluate(
        &mut self,
        event: &Event<'_>,
        container: ContainerState<'_>,
        sink: &mut impl Sink,
    ) -> u64 {
        let Self {
            rules,
            formats,
            telemetry: _,
            matches,
            options: _,
            node,
            arena,
            evaluation,
            scratch,
            line,
            text,
            lineage,
            users,
            clock,
        } = self;
        users.prepare(container, event.task.tgid, event.header.time);
        arena.reset();
        let boot_to_utc = clock.boot_to_utc();
        let context = Context {
            event,
            arena,
            number: event.header.number,
            time: event.header.time.saturating_add_signed(boot_to_utc),
            boot_to_utc,
            hostname: &node.hostname,
            boot_id: node.boot_id,
            container,
            env: rules.env(),
            lineage,
            users,
            memo: Memo::default(),
        };
        let mut lines = 0;
        rules.evaluate(evaluation, &context, &mut |rule| {
            let Some(formats) = formats.get(rule.index) else {
                return;
            };
            line.clear();
            text.clear();
            if sink.wants_lines() {
                formats.line.write(rule, &context, scratch, line);
            }
            if sink.wants_text() {
                formats.text.write(rule, &context, scratch, text);
            }
            sink.line(line, text, rule.priority.number());
            matches.matched(rule.index);
            lines += 1;
        });
        lines
    }
}

fn formats(rules: &RuleSet, options: AlertOptions) -> Vec<Formats> {
    let text = AlertOptions {
        json: false,
        ..options
    };
    rules
        .rules()
        .iter()
        .map(|rule| Formats {
            line: AlertFormat::new(rule, options),
            text: AlertFormat::new(rule, text),
        })
        .collect()
}

/// What metrics tell of each rule.
fn labels(rules: &RuleSet) -> Vec<RuleLabel> {
    rules
        .rules()
        .iter()
        .map(|rule| RuleLabel {
            name: rule.name.to_string(),
            priority: config::Priority::ALL
                .into_iter()
                .find(|priority| *priority as u8 == rule.priority.number())
                .unwrap_or(config::Priority::Debug),
            tags: rule.tags.iter().map(ToString::to_string).collect(),
        })
        .collect()
}
