//! Keys: values that an event must have for a condition to be true.

use rustc_hash::FxHashMap;

use super::{
    Check, Checks, Expr, Graph, NodeId, OperandId, Test, test::Quantifier, text::TextTest,
};
use crate::{Source, condition::Modifier};

/// A property that the value of an operand must have for a rule to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    /// The value is this constant.
    Symbol(OperandId, u32),
    /// The value is this number.
    Number(OperandId, i128),
    /// The text begins with this prefix.
    Prefix(OperandId, &'a str),
    /// The text ends with this suffix.
    Suffix(OperandId, &'a str),
    /// The text contains this pattern.
    Pattern(OperandId, u32),
}

/// Most keys of a node; more are of no use.
const KEYS_MAX: usize = 50_000;
/// Most numbers of a range that become keys.
const NUMBERS_MAX: i128 = 256;

impl Key<'_> {
    /// Cost of a key; cheap and rare keys are better: a look-up before a search, a name before a
    /// number (many processes are of user 0), a long prefix before a common one.
    fn cost(&self) -> usize {
        match self {
            Self::Symbol(..) => 1,
            Self::Prefix(_, text) | Self::Suffix(_, text) if text.len() > 3 => 4,
            // Hardly any path begins so.
            Self::Prefix(_, "//") => 4,
            Self::Number(..) => 100,
            Self::Pattern(..) => 1_000,
            Self::Prefix(..) | Self::Suffix(..) => 10_000,
        }
    }
}

/// Finds the keys of nodes.
pub(super) struct Finder<'a, S: Source> {
    graph: &'a Graph,
    checks: &'a Checks<S>,
    known: FxHashMap<NodeId, Option<Vec<Key<'a>>>>,
}

impl<'a, S: Source> Finder<'a, S> {
    /// Finds the keys of the nodes of a graph.
    pub(super) fn new(graph: &'a Graph, checks: &'a Checks<S>) -> Self {
        Self {
            graph,
            checks,
            known: FxHashMap::default(),
        }
    }

    /// Keys of which an event has at least one whenever the node is true; nothing if there are no
    /// such keys, or too many.
    /// none, or too many.
    pub(super) fn keys(&mut self, node: NodeId) -> Option<Vec<Key<'a>>> {
        if let Some(keys) = self.known.get(&node) {
            return keys.clone();
        }
        let (graph, checks) = (self.graph, self.checks);
        let keys = match graph.get(node) {
            Expr::False => Some(Vec::new()),
            Expr::True | Expr::Not(_) => None,
            Expr::Check(check) => {
                let check = checks.get(*check);
                self.of_test(check, &check.test)
            }
            Expr::And(parts) => best(parts.iter().filter_map(|part| self.keys(*part))),
            Expr::Or(parts) => together(parts.iter().map(|part| self.keys(*part))),
        };
        self.known.insert(node, keys.clone());
        keys
    }

    fn of_test(&self, check: &Check, test: &'a Test) -> Option<Vec<Key<'a>>> {
        let operand = check.operand;
        match test {
            Test::Never => Some(Vec::new()),
            Test::Symbols(symbols, Quantifier::Any) if symbols.as_slice().len() <= KEYS_MAX => {
                let key = |number: &u32| Key::Symbol(operand, *number);
                Some(symbols.as_slice().iter().map(key).collect())
            }
            Test::Numbers(numbers, _) => {
                let few = numbers.few(NUMBERS_MAX)?;
                Some(few.map(|number| Key::Number(operand, number)).collect())
            }
            // Without the common search, each pattern costs one search anyway.
            Test::Pattern(number) => {
                let searched = self.checks.operands[operand as usize].search.is_some();
                searched.then(|| vec![Key::Pattern(operand, *number)])
            }
            Test::Text(TextTest::StartsWith(start) | TextTest::Is(start)) => {
                prefixes(operand, [&**start])
            }
            Test::Text(TextTest::EndsWith(end)) => Some(vec![Key::Suffix(operand, end)]),
            Test::Whole(automaton) => prefixes(operand, [automaton.prefix()]),
            Test::Paths(paths) => prefixes(operand, paths.prefixes()),
            Test::Modified(Modifier::AllOf, tests) => {
                best(tests.iter().filter_map(|test| self.of_test(check, test)))
            }
            Test::Modified(Modifier::AnyOf | Modifier::OneOf, tests) => {
                together(tests.iter().map(|test| self.of_test(check, test)))
            }
            _ => None,
        }
    }
}

fn prefixes<'a>(
    operand: OperandId,
    texts: impl IntoIterator<Item = &'a str>,
) -> Option<Vec<Key<'a>>> {
    texts
        .into_iter()
        .map(|text| (!text.is_empty()).then_some(Key::Prefix(operand, text)))
        .collect()
}

/// For a conjunction: the cheapest keys of its parts.
fn best<'a>(choices: impl Iterator<Item = Vec<Key<'a>>>) -> Option<Vec<Key<'a>>> {
    choices.min_by_key(|keys| keys.iter().map(Key::cost).sum::<usize>())
}

/// For a disjunction: the keys of all its parts; nothing if a part has no keys.
fn together<'a>(choices: impl Iterator<Item = Option<Vec<Key<'a>>>>) -> Option<Vec<Key<'a>>> {
    let mut all = Vec::new();
    for keys in choices {
        all.extend(keys?);
        if all.len() > KEYS_MAX {
            return None;
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_prefix_is_preferred_to_a_number_and_a_number_to_a_short_prefix() {
        let long = vec![Key::Prefix(0, "/opt/")];
        let short = vec![Key::Prefix(0, "/")];
        let number = vec![Key::Number(1, 7)];
        let chosen = best([number.clone(), long.clone()].into_iter());
        assert_eq!(chosen, Some(long));
        let chosen = best([short, number.clone()].into_iter());
        assert_eq!(chosen, Some(number));
    }
}
