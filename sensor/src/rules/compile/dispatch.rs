//! Which rules an event can match at all: found by the values that they ask
//! for, so that the others cost nothing.

use rustc_hash::FxHashMap;

use super::{Checks, Expr, Graph, NodeId, OperandId, Test, test::Several};

/// A constant that must be there for a rule to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Symbol(OperandId, u32),
    Pattern(OperandId, u32),
}

/// More constants than these are no use.
const KEYS_MAX: usize = 50_000;

/// For an operand: rules by number of a constant or a pattern.
type ByNumber = (OperandId, FxHashMap<u32, Box<[u32]>>);

/// Rules by the constants of which they need one.
#[derive(Debug, Default)]
pub(crate) struct Dispatch {
    /// Those that must always be looked at, as a bit set.
    pub always: Box<[u64]>,
    /// By number of a constant of an operand.
    pub symbols: Box<[ByNumber]>,
    /// By number of a pattern of an operand.
    pub patterns: Box<[ByNumber]>,
}

impl Dispatch {
    /// Sorts rules, given by their conditions.
    #[must_use]
    pub(crate) fn new(graph: &Graph, checks: &Checks, rules: &[NodeId]) -> Self {
        let mut always = vec![0_u64; rules.len().div_ceil(64)];
        let mut by_key: FxHashMap<Key, Vec<u32>> = FxHashMap::default();
        let mut finder = Finder {
            graph,
            checks,
            known: FxHashMap::default(),
        };
        for (index, &node) in rules.iter().enumerate() {
            match finder.keys(node) {
                Some(keys) => {
                    for key in keys {
                        by_key
                            .entry(key)
                            .or_default()
                            .push(u32::try_from(index).unwrap_or(u32::MAX));
                    }
                }
                None => always[index / 64] |= 1 << (index % 64),
            }
        }
        let mut symbols: FxHashMap<OperandId, FxHashMap<u32, Box<[u32]>>> = FxHashMap::default();
        let mut patterns = symbols.clone();
        for (key, rules) in by_key {
            let (table, operand, number) = match key {
                Key::Symbol(operand, number) => (&mut symbols, operand, number),
                Key::Pattern(operand, number) => (&mut patterns, operand, number),
            };
            table
                .entry(operand)
                .or_default()
                .insert(number, rules.into());
        }
        let sorted = |table: FxHashMap<OperandId, _>| {
            let mut list: Vec<_> = table.into_iter().collect();
            list.sort_unstable_by_key(|(operand, _)| *operand);
            list.into_boxed_slice()
        };
        Self {
            always: always.into(),
            symbols: sorted(symbols),
            patterns: sorted(patterns),
        }
    }
}

struct Finder<'a> {
    graph: &'a Graph,
    checks: &'a Checks,
    known: FxHashMap<NodeId, Option<Vec<Key>>>,
}

impl Finder<'_> {
    /// Constants of which one is there whenever the node is true.
    fn keys(&mut self, node: NodeId) -> Option<Vec<Key>> {
        if let Some(keys) = self.known.get(&node) {
            return keys.clone();
        }
        let keys = match self.graph.get(node) {
            Expr::False => Some(Vec::new()),
            Expr::True | Expr::Not(_) => None,
            Expr::Check(check) => {
                let check = self.checks.get(*check);
                match &check.test {
                    Test::Symbols(symbols, Several::Any)
                        if symbols.as_slice().len() <= KEYS_MAX =>
                    {
                        let key = |number: &u32| Key::Symbol(check.operand, *number);
                        Some(symbols.as_slice().iter().map(key).collect())
                    }
                    // Without the common search each pattern costs a search anyway.
                    Test::Pattern(number)
                        if self.checks.operands[check.operand as usize]
                            .search
                            .is_some() =>
                    {
                        Some(vec![Key::Pattern(check.operand, *number)])
                    }
                    _ => None,
                }
            }
            Expr::And(parts) => parts
                .iter()
                .filter_map(|part| self.keys(*part))
                .min_by_key(|keys| cost(keys)),
            Expr::Or(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    match self.keys(*part) {
                        Some(keys) if all.len() + keys.len() <= KEYS_MAX => all.extend(keys),
                        _ => {
                            self.known.insert(node, None);
                            return None;
                        }
                    }
                }
                all.sort_unstable_by_key(|key| match *key {
                    Key::Symbol(operand, number) => (0, operand, number),
                    Key::Pattern(operand, number) => (1, operand, number),
                });
                all.dedup();
                Some(all)
            }
        };
        self.known.insert(node, keys.clone());
        keys
    }
}

/// Few constants are better than many, a look-up is better than a search.
fn cost(keys: &[Key]) -> usize {
    let searches = keys
        .iter()
        .filter(|key| matches!(key, Key::Pattern(..)))
        .count();
    keys.len() + searches * 1000
}
