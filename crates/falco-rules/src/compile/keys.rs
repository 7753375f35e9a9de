//! What a condition cannot be true without.

use rustc_hash::FxHashMap;

use super::{
    Check, Checks, Expr, Graph, NodeId, OperandId, Test, test::Quantifier, text::TextTest,
};
use crate::{Source, condition::Modifier};

/// Something that a value must be, or have in it, for a rule to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    /// A constant.
    Symbol(OperandId, u32),
    /// A number.
    Number(OperandId, i128),
    /// What a text begins with.
    Prefix(OperandId, &'a str),
    /// What a text ends with.
    Suffix(OperandId, &'a str),
    /// What a text contains.
    Pattern(OperandId, u32),
}

/// More keys than these are no use.
const KEYS_MAX: usize = 50_000;
/// Ranges of more numbers than these are no keys.
const NUMBERS_MAX: i128 = 256;

impl Key<'_> {
    /// The cheaper and the rarer, the better: a look-up before a search, a name
    /// before a number (many a process is of user 0), a long prefix before one that
    /// most paths begin with.
    fn cost(&self) -> usize {
        match self {
            Self::Symbol(..) => 1,
            Self::Prefix(_, text) | Self::Suffix(_, text) if text.len() > 3 => 4,
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
    /// Finds those of a graph's nodes.
    pub(super) fn new(graph: &'a Graph, checks: &'a Checks<S>) -> Self {
        Self {
            graph,
            checks,
            known: FxHashMap::default(),
        }
    }

    /// Keys of which one is there whenever the node is true; nothing if there are
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
            // Without the common search each pattern costs a search anyway.
            Test::Pattern(number) => {
                let searched = self.checks.operands[operand as usize].search.is_some();
                searched.then(|| vec![Key::Pattern(operand, *number)])
            }
            Test::Text(TextTest::StartsWith(start) | TextTest::Is(start)) => {
                prefixes(operand, [&**start])
            }
            Test::Text(TextTest::EndsWith(end)) => Some(vec![Key::Suffix(operand, end)]),
            Test::Regex(_, prefix) => prefixes(operand, [&**prefix]),
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

/// Of several that are all needed, the cheapest.
fn best<'a>(choices: impl Iterator<Item = Vec<Key<'a>>>) -> Option<Vec<Key<'a>>> {
    choices.min_by_key(|keys| keys.iter().map(Key::cost).sum::<usize>())
}

/// Of several of which one is enough, all; nothing if one has none.
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
