//! Evaluates an event with what the sensor knows about it, and makes the lines of the rules that
//! match.

use std::{hash::Hasher as _, sync::Arc};

use bumpalo::Bump;
use events::Lines;
use metadata::{ContainerState, Domains, Users};
use outputs::AlertOptions;
use rustc_hash::FxHasher;
use telemetry::Telemetry;

use super::watched::Observers;
use crate::sources::syscall::{
    capture::Clock,
    event::Event,
    fields::{Context, Memo, Syscall},
    lineage::Lineage,
    rules::RuleSet,
};

/// The node of the sensor.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name of the node.
    pub hostname: String,
    /// Id of this boot, for ids that are unique over boots.
    pub boot_id: u64,
}

impl Node {
    /// A node with that name, in the boot with that id (the kernel's text).
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

/// Collects what fields may read, and evaluates the rules.
pub(in crate::sources::syscall) struct Evaluator {
    rules: Arc<RuleSet>,
    engine: events::Evaluator<Syscall>,
    node: Node,
    arena: Bump,
    /// The programs of processes.
    pub(in crate::sources::syscall) lineage: Lineage,
    /// Names of users and groups.
    pub(in crate::sources::syscall) users: Users,
    /// Names of addresses.
    pub(in crate::sources::syscall) domains: Domains,
    /// Converts time since boot to UTC.
    pub(in crate::sources::syscall) clock: Clock,
}

impl Evaluator {
    pub(in crate::sources::syscall) fn new(
        rules: Arc<RuleSet>,
        alerts: AlertOptions,
        node: Node,
        lineage: Lineage,
        (users, domains): (Users, Domains),
        telemetry: &Arc<Telemetry>,
    ) -> Self {
        Self {
            engine: events::Evaluator::new(rules.rules_alone(), alerts, telemetry),
            rules,
            node,
            arena: Bump::new(),
            lineage,
            users,
            domains,
            clock: Clock::new(),
        }
    }

    /// Takes over other rules, from the next event on.
    pub(super) fn set_rules(&mut self, rules: Arc<RuleSet>, alerts: AlertOptions) {
        self.engine.set_rules(rules.rules_alone(), alerts);
        self.rules = rules;
    }

    /// Passes the lines of an event to `lines`, and returns their number; none if no rule wants events
    /// of that kind in that place.
    pub(super) fn evaluate(
        &mut self,
        event: &Event<'_>,
        container: ContainerState<'_>,
        observers: &mut Observers,
        lines: &mut impl Lines,
    ) -> Option<u64> {
        let reach = self.rules.requirements().reach;
        let kinds = match container {
            ContainerState::Host => reach.host,
            ContainerState::Unknown(_) | ContainerState::Known(_) => reach.container,
        };
        let is_wanted = kinds.contains(event.kind);
        self.with(event, container, |engine, context| {
            let made = is_wanted.then(|| engine.evaluate(context, lines));
            let matched = made.is_some_and(|lines| lines > 0);
            observers.record_for_rules(context, matched.then(|| engine.recording_demand()));
            made
        })
    }

    /// Calls a function with all that is known of an event.
    pub(in crate::sources::syscall) fn with<T>(
        &mut self,
        event: &Event<'_>,
        container: ContainerState<'_>,
        each: impl for<'c> FnOnce(&mut events::Evaluator<Syscall>, &'c Context<'c>) -> T,
    ) -> T {
        let Self {
            rules,
            engine,
            node,
            arena,
            lineage,
            users,
            domains,
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
            domains,
            memo: Memo::default(),
        };
        each(engine, &context)
    }
}
