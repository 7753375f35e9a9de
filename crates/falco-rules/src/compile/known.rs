//! The part of a condition that remains when facts about the events are known.

use rustc_hash::FxHashMap;

use super::{CheckId, Checks, Expr, Graph, NodeId, Test, test::Quantifier};
use crate::{
    Fact, Facts, Source,
    fields::{Operand, Value},
};

/// What is known about some events.
#[derive(Clone, Copy)]
pub(crate) struct Known<'f> {
    /// Their class: they have only the fields of this class.
    pub class: Option<usize>,
    /// Facts about their fields.
    pub facts: &'f Facts,
}

impl Known<'_> {
    /// The result of a check if the facts decide it.
    #[must_use]
    fn decide<S: Source>(&self, checks: &Checks<S>, id: CheckId) -> Option<bool> {
        let check = checks.get(id);
        if matches!(check.test, Test::Never) {
            return Some(false);
        }
        let info = checks.operand_of(id);
        if let Some(class) = self.class {
            let mut absent = is_absent(&info.operand, class);
            if let Test::Operand(_, right) = &check.test {
                absent |= is_absent(&checks.operands[*right as usize].operand, class);
            }
            if absent {
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
        match self.facts.get(&field.key)? {
            Fact::Is(value) => Some(passes(value)),
            Fact::OneOf(texts) => {
                let first = passes(Value::Str(texts.first()?));
                texts
                    .iter()
                    .all(|text| passes(Value::Str(text)) == first)
                    .then_some(first)
            }
            Fact::NoneOf(texts) => {
                let is_one = |number: u32| {
                    texts
                        .iter()
                        .any(|text| info.symbols.get(*text) == Some(&number))
                };
                match &check.test {
                    Test::Exists => Some(true),
                    Test::NotSymbol(number, _) if is_one(*number) => Some(true),
                    Test::Symbols(symbols, Quantifier::Any)
                        if symbols.as_slice().iter().all(|number| is_one(*number)) =>
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

/// Whether an operand has no value in a class.
fn is_absent<S: Source>(operand: &Operand<S>, class: usize) -> bool {
    let mut absent = false;
    operand.fields(&mut |field| absent |= !field.field.classes.contains(class));
    absent
}

/// The node that remains of a node.
pub(crate) fn fold<S: Source>(
    graph: &mut Graph,
    checks: &Checks<S>,
    known: Known<'_>,
    node: NodeId,
    done: &mut FxHashMap<NodeId, NodeId>,
) -> NodeId {
    if let Some(&folded) = done.get(&node) {
        return folded;
    }
    let folded = match graph.get(node).clone() {
        Expr::False => Graph::FALSE,
        Expr::True => Graph::TRUE,
        Expr::Check(check) => match known.decide(checks, check) {
            Some(value) => Graph::constant(value),
            None => node,
        },
        Expr::Not(inner) => {
            let inner = fold(graph, checks, known, inner, done);
            graph.negate(inner)
        }
        Expr::And(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| fold(graph, checks, known, *part, done))
                .collect();
            graph.and(parts)
        }
        Expr::Or(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| fold(graph, checks, known, *part, done))
                .collect();
            graph.or(parts)
        }
    };
    done.insert(node, folded);
    folded
}

/// The results of nodes, as far as facts decide them: as [`fold`], without making new nodes.
pub(crate) struct Verdicts<'a, S: Source> {
    graph: &'a Graph,
    checks: &'a Checks<S>,
    known: Known<'a>,
    done: FxHashMap<NodeId, Option<bool>>,
}

impl<'a, S: Source> Verdicts<'a, S> {
    /// For the nodes of a graph.
    pub(crate) fn new(graph: &'a Graph, checks: &'a Checks<S>, known: Known<'a>) -> Self {
        Self {
            graph,
            checks,
            known,
            done: FxHashMap::default(),
        }
    }

    /// The result of a node if the facts decide it.
    pub(crate) fn of(&mut self, node: NodeId) -> Option<bool> {
        if let Some(verdict) = self.done.get(&node) {
            return *verdict;
        }
        let graph = self.graph;
        let verdict = match graph.get(node) {
            Expr::False => Some(false),
            Expr::True => Some(true),
            Expr::Check(check) => self.known.decide(self.checks, *check),
            Expr::Not(inner) => self.of(*inner).map(|verdict| !verdict),
            Expr::And(parts) => self.of_all(parts, true),
            Expr::Or(parts) => self.of_all(parts, false),
        };
        self.done.insert(node, verdict);
        verdict
    }

    /// The result of joined nodes: `neutral` if each one is, the opposite if at least one is the
    /// opposite.
    fn of_all(&mut self, parts: &[NodeId], neutral: bool) -> Option<bool> {
        let mut verdict = Some(neutral);
        for part in parts {
            match self.of(*part) {
                Some(part) if part != neutral => return Some(part),
                Some(_) => {}
                None => verdict = None,
            }
        }
        verdict
    }
}
