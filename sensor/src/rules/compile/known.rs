//! What is known of all events of a kind, and what is left of a condition then.

use rustc_hash::FxHashMap;

use super::{CheckId, Checks, Expr, Graph, NodeId, Test, test::Several};
use crate::{
    event::Kind,
    fields::{Operand, Value},
};

/// What is known of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fact {
    /// It has this value.
    Is(Value<'static>),
    /// It has a text, and it is another one.
    IsNot(&'static str),
    /// It is one of these texts.
    OneOf(&'static [&'static str]),
    /// It is a number from one to another.
    Range(i128, i128),
}

/// What is known of some events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Their kind.
    pub kind: Option<Kind>,
    fields: FxHashMap<&'static str, Fact>,
}

/// Event types that this sensor sees.
pub(crate) const EVENT_TYPES: [&str; 3] = ["execve", "execveat", "connect"];

/// What the fields of a process in no container are (FALCO_SPEC §6.2).
pub(crate) const HOST: [(&str, Value<'static>); 11] = [
    ("container.id", Value::Str("host")),
    ("container.full_id", Value::Str("host")),
    ("container.name", Value::Str("host")),
    ("container.type", Value::Str("host")),
    ("container.privileged", Value::Bool(false)),
    ("container.image", Value::Str("")),
    ("container.image.repository", Value::Str("")),
    ("container.image.tag", Value::Str("")),
    ("k8s.pod.name", Value::Absent),
    ("k8s.pod.uid", Value::Absent),
    ("k8s.ns.name", Value::Absent),
];

impl Facts {
    /// Adds a fact.
    #[must_use]
    pub(crate) fn with(mut self, field: &'static str, fact: Fact) -> Self {
        self.fields.insert(field, fact);
        self
    }

    /// What is known of events of a kind, of the host or of containers.
    #[must_use]
    pub(crate) fn of(kind: Kind, host: bool) -> Self {
        let this = Self {
            kind: Some(kind),
            ..Self::default()
        };
        let mut this = this.with("evt.dir", Fact::Is(Value::Str("<")));
        this = match kind {
            Kind::Exec => this
                .with("evt.type", Fact::Is(Value::Str("execve")))
                .with("evt.failed", Fact::Is(Value::Bool(false)))
                .with("evt.res", Fact::Is(Value::Str("SUCCESS")))
                .with("evt.rawres", Fact::Is(Value::Int(0))),
            Kind::ExecFailed => this
                .with("evt.type", Fact::OneOf(&["execve", "execveat"]))
                .with("evt.failed", Fact::Is(Value::Bool(true)))
                .with("evt.rawres", Fact::Range(-4095, -1)),
            Kind::Connect => this.with("evt.type", Fact::Is(Value::Str("connect"))),
        };
        if !host {
            return this.with("container.id", Fact::IsNot("host"));
        }
        for (field, value) in HOST {
            this = this.with(field, Fact::Is(value));
        }
        this
    }

    /// What is known of an event of a type that no condition names.
    #[must_use]
    pub(crate) fn of_other_type() -> Self {
        Self::default().with("evt.type", Fact::Is(Value::Str("\0")))
    }

    /// Whether a check is known to be true, or to be false.
    #[must_use]
    pub(crate) fn decide(&self, checks: &Checks, id: CheckId) -> Option<bool> {
        let check = checks.get(id);
        if matches!(check.test, Test::Never) {
            return Some(false);
        }
        let info = checks.operand_of(id);
        if let Some(kind) = self.kind {
            let mut absent = info.foreign.is_some();
            info.operand
                .fields(&mut |field| absent |= !field.field.kinds.contains(kind));
            if let Test::Operand(_, right) = &check.test {
                let right = &checks.operands[*right as usize];
                absent |= right.foreign.is_some();
                right
                    .operand
                    .fields(&mut |field| absent |= !field.field.kinds.contains(kind));
            }
            // `evt.dir` is `<`, whether the registry has it or not.
            if absent && &*info.operand.to_string() != "evt.dir" {
                return Some(false);
            }
        }
        let Operand::Field(field) = &info.operand else {
            return None;
        };
        if matches!(check.test, Test::Operand(..)) {
            return None;
        }
        let passes = |value: Value<'static>| {
            let symbol = match value {
                Value::Str(text) => info.symbols.get(text).copied(),
                _ => None,
            };
            check.test.passes(&value, symbol, &info.patterns)
        };
        match *self.fields.get(&*field.key)? {
            Fact::Is(value) => Some(passes(value)),
            Fact::OneOf(texts) => {
                let first = passes(Value::Str(texts.first()?));
                texts
                    .iter()
                    .all(|text| passes(Value::Str(text)) == first)
                    .then_some(first)
            }
            Fact::IsNot(text) => {
                let symbol = info.symbols.get(text).copied();
                match &check.test {
                    Test::Exists => Some(true),
                    Test::NotSymbol(number, _) if symbol == Some(*number) => Some(true),
                    Test::Symbols(symbols, Several::Any)
                        if symbols.as_slice().iter().all(|one| Some(*one) == symbol) =>
                    {
                        Some(false)
                    }
                    _ => None,
                }
            }
            Fact::Range(low, high) => match &check.test {
                Test::Numbers(numbers, _) => numbers.decides(low, high),
                Test::Exists => Some(true),
                _ => None,
            },
        }
    }
}

/// What is left of a node if the facts hold.
pub(crate) fn fold(
    graph: &mut Graph,
    checks: &Checks,
    facts: &Facts,
    node: NodeId,
    known: &mut FxHashMap<NodeId, NodeId>,
) -> NodeId {
    if let Some(&folded) = known.get(&node) {
        return folded;
    }
    let folded = match graph.get(node).clone() {
        Expr::False => Graph::FALSE,
        Expr::True => Graph::TRUE,
        Expr::Check(check) => match facts.decide(checks, check) {
            Some(value) => Graph::constant(value),
            None => node,
        },
        Expr::Not(inner) => {
            let inner = fold(graph, checks, facts, inner, known);
            graph.negate(inner)
        }
        Expr::And(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| fold(graph, checks, facts, *part, known))
                .collect();
            graph.and(parts)
        }
        Expr::Or(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| fold(graph, checks, facts, *part, known))
                .collect();
            graph.or(parts)
        }
    };
    known.insert(node, folded);
    folded
}
