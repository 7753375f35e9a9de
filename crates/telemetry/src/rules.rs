//! Matches of each rule.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwap;

use config::Priority;

/// A loaded rule, as far as metrics tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLabel {
    /// Its name.
    pub name: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Its tags.
    pub tags: Vec<String>,
}

/// The loaded rules and their matches; by the order in which they were loaded.
#[derive(Debug, Default)]
pub struct RuleTable(Vec<(RuleLabel, Arc<AtomicU64>)>);

impl RuleTable {
    /// Rule number `index` has matched.
    pub fn matched(&self, index: usize) {
        if let Some((_, count)) = self.0.get(index) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Each rule and its matches.
    pub fn iter(&self) -> impl Iterator<Item = (&RuleLabel, u64)> {
        self.0
            .iter()
            .map(|(rule, count)| (rule, count.load(Relaxed)))
    }
}

/// The rules that are loaded now.
#[derive(Debug, Default)]
pub struct Rules(ArcSwap<RuleTable>);

impl Rules {
    /// Other rules are loaded; a rule of the same name goes on counting.
    pub fn load(&self, rules: Vec<RuleLabel>) -> Arc<RuleTable> {
        let former = self.0.load();
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
        self.0.store(Arc::clone(&table));
        table
    }

    /// The table as it is now.
    #[must_use]
    pub fn table(&self) -> Arc<RuleTable> {
        self.0.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> RuleLabel {
        RuleLabel {
            name: name.into(),
            priority: Priority::Debug,
            tags: Vec::new(),
        }
    }

    #[test]
    fn a_rule_goes_on_counting_after_a_reload() {
        let rules = Rules::default();
        let table = rules.load(vec![rule("a"), rule("b")]);
        table.matched(1);
        table.matched(9);
        let table = rules.load(vec![rule("b"), rule("c")]);
        table.matched(0);
        let counts: Vec<u64> = rules.table().iter().map(|(_, n)| n).collect();
        assert_eq!(counts, [2, 0]);
    }
}
