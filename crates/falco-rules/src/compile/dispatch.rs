//! The index of rules: finds the rules that an event can match by the values that the rules
//! require, so that the other rules cost nothing.

use std::{cmp::Reverse, hash::Hash};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Checks, Expr, Graph, NodeId, OperandId,
    affixes::Affixes,
    keys::{Finder, Key},
};
use crate::Source;

/// For an operand: the rules, by a constant, number or text that its value must have.
type By<T> = Box<[(OperandId, FxHashMap<T, Box<[u32]>>)]>;

/// Parts of conditions that must be true, each with a bit set of the rules that need the part.
type Guard = (Box<[NodeId]>, Box<[u64]>);

/// Fewest rules for which a guard saves more than it costs.
const GUARD_MIN: usize = 4;
/// Most parts of a condition that the index takes apart.
const PARTS_MAX: usize = 256;

/// The index: rules by what their conditions require.
#[derive(Debug, Default)]
pub(crate) struct Dispatch {
    /// Rules with no usable requirement, as a bit set.
    pub always: Box<[u64]>,
    /// By the number of a constant of an operand.
    pub symbols: By<u32>,
    /// By the number of a pattern of an operand.
    pub patterns: By<u32>,
    /// By a number that the operand must have.
    pub numbers: By<i128>,
    /// By a prefix of the operand.
    pub prefixes: Box<[(OperandId, Affixes)]>,
    /// By a suffix of the operand, backwards.
    pub suffixes: Box<[(OperandId, Affixes)]>,
    /// Rules by parts that their conditions share: where such a part is false, the engine evaluates
    /// none of these rules.
    pub guards: Box<[Guard]>,
}

impl Dispatch {
    /// Builds the index from the conditions of the rules.
    #[must_use]
    pub(crate) fn new<S: Source>(graph: &Graph, checks: &Checks<S>, rules: &[NodeId]) -> Self {
        let mut finder = Finder::new(graph, checks);
        let mut tables = Tables::default();
        let mut always = Vec::new();
        for (&node, rule) in rules.iter().zip(0_u32..) {
            match finder.keys(node) {
                Some(keys) => keys.into_iter().for_each(|key| tables.add(key, rule)),
                None => always.push(rule),
            }
        }
        let words = rules.len().div_ceil(64);
        let groups = by_common_parts(graph, rules).into_iter();
        let mut guards: Vec<_> = groups
            .filter(|(parts, rules)| !parts.is_empty() && rules.len() >= GUARD_MIN)
            .map(|(parts, rules)| (parts, bit_set(&rules, words)))
            .collect();
        guards.sort_unstable();
        tables.dispatch(bit_set(&always, words), guards.into())
    }
}

fn bit_set(rules: &[u32], words: usize) -> Box<[u64]> {
    let mut set = vec![0; words];
    for rule in rules {
        set[*rule as usize / 64] |= 1 << (rule % 64);
    }
    set.into()
}

/// Moves the parts that many conditions share to their beginning: the engine checks such a part
/// once, and skips all of its rules where the part is false.
pub(crate) fn shared_first(graph: &mut Graph, rules: &mut [(u32, NodeId)]) {
    for (_, node) in rules.iter_mut() {
        let parts = flat(graph, *node);
        *node = graph.and(parts);
    }
    let count = uses(graph, rules.iter().map(|(_, node)| *node));
    for (_, node) in rules {
        let mut sorted = parts(graph, *node).to_vec();
        if !sorted.is_empty() {
            sorted.sort_by_key(|part| Reverse(count.get(part)));
            *node = graph.and(sorted);
        }
    }
}

/// The parts that must all be true for a node to be true, also in nested conjunctions; the node
/// alone if there would be too many.
fn flat(graph: &Graph, node: NodeId) -> Vec<NodeId> {
    let mut flat = Vec::new();
    let mut seen = FxHashSet::default();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        match graph.get(node) {
            Expr::And(parts) => open.extend(parts.iter().rev()),
            _ => flat.push(node),
        }
    }
    if flat.len() > PARTS_MAX {
        return vec![node];
    }
    flat
}

/// The parts of a conjunction; a node that is none is its only part.
fn parts(graph: &Graph, node: NodeId) -> &[NodeId] {
    match graph.get(node) {
        Expr::And(parts) => parts,
        _ => &[],
    }
}

/// Rules by the parts that their conditions share with other rules.
fn by_common_parts(graph: &Graph, rules: &[NodeId]) -> FxHashMap<Box<[NodeId]>, Vec<u32>> {
    let count = uses(graph, rules.iter().copied());
    let is_shared = |part: &NodeId| count.get(part).is_some_and(|uses| *uses > 1);
    let mut groups: FxHashMap<_, Vec<_>> = FxHashMap::default();
    for (node, rule) in rules.iter().zip(0_u32..) {
        let common = parts(graph, *node).iter().copied().filter(is_shared);
        groups.entry(common.collect()).or_default().push(rule);
    }
    groups
}

/// The number of conditions that contain each part.
fn uses(graph: &Graph, nodes: impl Iterator<Item = NodeId>) -> FxHashMap<NodeId, u32> {
    let mut count = FxHashMap::default();
    for node in nodes {
        for part in parts(graph, node) {
            *count.entry(*part).or_default() += 1;
        }
    }
    count
}

/// For an operand: a key that its value must have, and the rules that require the key.
type Table<T> = FxHashMap<OperandId, FxHashMap<T, Vec<u32>>>;

/// An index under construction.
#[derive(Default)]
struct Tables {
    symbols: Table<u32>,
    patterns: Table<u32>,
    numbers: Table<i128>,
    prefixes: Table<Vec<u8>>,
    suffixes: Table<Vec<u8>>,
}

impl Tables {
    fn add(&mut self, key: Key<'_>, rule: u32) {
        fn put<T: Eq + Hash>(table: &mut Table<T>, operand: OperandId, key: T, rule: u32) {
            let by_key = table.entry(operand).or_default();
            by_key.entry(key).or_default().push(rule);
        }
        match key {
            Key::Symbol(operand, number) => put(&mut self.symbols, operand, number, rule),
            Key::Pattern(operand, number) => put(&mut self.patterns, operand, number, rule),
            Key::Number(operand, number) => put(&mut self.numbers, operand, number, rule),
            Key::Prefix(operand, text) => put(&mut self.prefixes, operand, text.into(), rule),
            Key::Suffix(operand, text) => {
                let backwards = text.bytes().rev().collect();
                put(&mut self.suffixes, operand, backwards, rule);
            }
        }
    }

    fn dispatch(self, always: Box<[u64]>, guards: Box<[Guard]>) -> Dispatch {
        fn by<T: Eq + Hash>(rules: FxHashMap<T, Vec<u32>>) -> FxHashMap<T, Box<[u32]>> {
            let rules = rules.into_iter();
            rules.map(|(key, rules)| (key, rules.into())).collect()
        }
        Dispatch {
            always,
            symbols: sorted(self.symbols, by),
            patterns: sorted(self.patterns, by),
            numbers: sorted(self.numbers, by),
            prefixes: sorted(self.prefixes, Affixes::new),
            suffixes: sorted(self.suffixes, Affixes::new),
            guards,
        }
    }
}

fn sorted<T, U>(
    table: Table<T>,
    make: impl Fn(FxHashMap<T, Vec<u32>>) -> U,
) -> Box<[(OperandId, U)]> {
    let table = table.into_iter();
    let mut list: Vec<_> = table
        .map(|(operand, rules)| (operand, make(rules)))
        .collect();
    list.sort_unstable_by_key(|(operand, _)| *operand);
    list.into()
}
