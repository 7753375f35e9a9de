//! The constants of which a field must have one for any rule to match: a source can leave out
//! events with other values early.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::{Check, Checks, Expr, Graph, NodeId, Test, test::Quantifier};
use crate::{Argument, Source, fields::Operand};

/// What the caller knows about a constant: no value at all if no event has it, and nothing if that
/// is not known.
type Meaning<'a, T> = &'a dyn Fn(&str) -> Option<Vec<T>>;

/// Values of which a field must have one for any of the conditions to be true; nothing if a
/// condition can be true with any value.
pub(crate) fn constants<S: Source, T: Clone + Ord>(
    (graph, checks): (&Graph, &Checks<S>),
    conditions: impl Iterator<Item = NodeId>,
    field: &str,
    meaning: Meaning<'_, T>,
) -> Option<BTreeSet<T>> {
    let mut finder = Finder {
        graph,
        checks,
        field,
        meaning,
        known: FxHashMap::default(),
    };
    let mut all = BTreeSet::new();
    for condition in conditions {
        all.extend(finder.of(condition)?);
    }
    Some(all)
}

struct Finder<'a, S: Source, T> {
    graph: &'a Graph,
    checks: &'a Checks<S>,
    field: &'a str,
    meaning: Meaning<'a, T>,
    known: FxHashMap<NodeId, Option<BTreeSet<T>>>,
}

impl<S: Source, T: Clone + Ord> Finder<'_, S, T> {
    fn of(&mut self, node: NodeId) -> Option<BTreeSet<T>> {
        if let Some(found) = self.known.get(&node) {
            return found.clone();
        }
        let found = match self.graph.get(node) {
            Expr::False => Some(BTreeSet::new()),
            Expr::True | Expr::Not(_) => None,
            Expr::Check(check) => self.of_check(self.checks.get(*check)),
            Expr::And(parts) => parts
                .iter()
                .filter_map(|part| self.of(*part))
                .min_by_key(BTreeSet::len),
            Expr::Or(parts) => parts.iter().try_fold(BTreeSet::new(), |mut all, part| {
                all.extend(self.of(*part)?);
                Some(all)
            }),
        };
        self.known.insert(node, found.clone());
        found
    }

    /// The constants of `field = a` and `field in (a, b)`.
    fn of_check(&self, check: &Check) -> Option<BTreeSet<T>> {
        let info = &self.checks.operands[check.operand as usize];
        let Test::Symbols(symbols, Quantifier::Any) = &check.test else {
            return None;
        };
        match &info.operand {
            Operand::Field(field)
                if field.field.name == self.field && field.argument == Argument::None => {}
            _ => return None,
        }
        let texts = info
            .symbols
            .iter()
            .filter(|(_, number)| symbols.contains(**number));
        let mut found = BTreeSet::new();
        for (text, _) in texts {
            found.extend((self.meaning)(text)?);
        }
        Some(found)
    }
}
