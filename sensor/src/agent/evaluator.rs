//! An event and what is known about it → the lines of the rules that match.

use bumpalo::Bump;

use super::RuleSet;
use crate::{
    capture::Clock,
    enrich::{ContainerState, Lineage, Users},
    event::Event,
    fields::{Context, Memo},
    output::{AlertFormat, AlertOptions, AlertScratch},
};

/// Who the sensor is.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name of the node.
    pub hostname: String,
    /// Of this boot, for ids that are unique over boots.
    pub boot_id: u64,
}

/// Evaluates the rules and formats their alerts.
pub(super) struct Evaluator {
    rules: RuleSet,
    formats: Vec<AlertFormat>,
    options: AlertOptions,
    node: Node,
    arena: Bump,
    scratch: AlertScratch,
    /// The programs of processes.
    pub(super) lineage: Lineage,
    /// Names of users and groups.
    pub(super) users: Users,
    /// From boot time to UTC.
    pub(super) clock: Clock,
}

impl Evaluator {
    pub(super) fn new(
        rules: RuleSet,
        options: AlertOptions,
        node: Node,
        lineage: Lineage,
        users: Users,
    ) -> Self {
        Self {
            formats: formats(&rules, options),
            rules,
            options,
            node,
            arena: Bump::new(),
            scratch: AlertScratch::default(),
            lineage,
            users,
            clock: Clock::new(),
        }
    }

    /// The rules in force.
    pub(super) fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Takes other rules, from the next event on.
    pub(super) fn set_rules(&mut self, rules: RuleSet) {
        self.formats = formats(&rules, self.options);
        self.rules = rules;
    }

    /// Appends the lines for an event; gives their number.
    pub(super) fn evaluate(
        &mut self,
        event: &Event<'_>,
        container: ContainerState<'_>,
        out: &mut Vec<u8>,
    ) -> u64 {
        let Self {
            rules,
            formats,
            options: _,
            node,
            arena,
            scratch,
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
            lineage,
            users,
            memo: Memo::default(),
        };
        let mut lines = 0;
        rules.evaluate(&context, &mut |index, rule| {
            if let Some(format) = formats.get(index) {
                format.write(rule, &context, scratch, out);
                lines += 1;
            }
        });
        lines
    }
}

fn formats(rules: &RuleSet, options: AlertOptions) -> Vec<AlertFormat> {
    rules
        .rules()
        .iter()
        .map(|rule| AlertFormat::new(rule, options))
        .collect()
}
