//! Counts of matches for each rule.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use falco_rules::Priority;

/// A loaded rule, with the labels that metrics need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLabel {
    /// Its name.
    pub name: String,
    /// Whether it can match: `active`, `partly`, `inactive`, or `off`.
    pub state: &'static str,
    /// The source whose events it is for.
    pub source: Box<str>,
    /// Its priority.
    pub priority: Priority,
    /// Its tags.
    pub tags: Vec<String>,
}

/// The loaded rules of a source and their matches, in the order of loading.
#[derive(Debug, Default)]
pub struct RuleTable(Vec<(RuleLabel, Arc<AtomicU64>)>);

impl RuleTable {
    /// Counts a match of the rule with number `index`.
    pub fn matched(&self, index: usize) {
        if let Some((_, count)) = self.0.get(index) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Each rule and its number of matches.
    pub fn iter(&self) -> impl Iterator<Item = (&RuleLabel, u64)> {
        self.0
            .iter()
            .map(|(rule, count)| (rule, count.load(Relaxed)))
    }
}

/// The loaded rules, by source.
#[derive(Debug, Default)]
pub struct Rules(RwLock<BTreeMap<&'static str, Arc<RuleTable>>>);

impl Rules {
    /// Replaces the rules of a source; a rule with the same name continues its count.
    pub fn load(&self, source: &'static str, rules: Vec<RuleLabel>) -> Arc<RuleTable> {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let former = tables.entry(source).or_default();
        let table = rules
            .into_iter()
            .map(|rule| {
                let count = former.0.iter().find(|(old, _)| old.name == rule.name);
                let count = count
                    .map(|(_, count)| Arc::clone(count))
                    .unwrap_or_default();
                (rule, count)
            })
            .collect();
        let table = Arc::new(RuleTable(table));
        *former = Arc::clone(&table);
        table
    }

    /// The current table of each source.
    #[must_use]
    pub fn tables(&self) -> Vec<Arc<RuleTable>> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tables.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> RuleLabel {
        RuleLabel {
            name: name.into(),
            state: "active",
            source: "a".into(),
            priority: Priority::Debug,
            tags: Vec::new(),
        }
    }

    #[test]
    fn a_rule_goes_on_counting_after_a_reload() {
        let rules = Rules::default();
        let table = rules.load("a", vec![rule("a"), rule("b")]);
        table.matched(1);
        table.matched(9);
        let table = rules.load("a", vec![rule("b"), rule("c")]);
        table.matched(0);
        let counts: Vec<u64> = table.iter().map(|(_, n)| n).collect();
        assert_eq!(counts, [2, 0]);
    }

    #[test]
    fn each_source_has_rules_of_its_own() {
        let rules = Rules::default();
        rules.load("a", vec![rule("x")]).matched(0);
        rules.load("b", vec![rule("x")]);
        let tables = rules.tables();
        let counts: Vec<u64> = tables
            .iter()
            .flat_map(|t| t.iter())
            .map(|(_, n)| n)
            .collect();
        assert_eq!(counts, [1, 0]);
    }
}
