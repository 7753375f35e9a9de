//! Counts of matches for each rule, and on request what each rule costs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use falco_rules::{Meter, Priority};

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

/// The counts of a rule.
#[derive(Debug, Default)]
struct RuleCounts {
    matches: AtomicU64,
    evaluations: AtomicU64,
    nanoseconds: AtomicU64,
}

/// What the condition of a rule has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// How often the engine evaluated the condition.
    pub evaluations: u64,
    /// How long these evaluations took. What rules share counts for the rule that needs the value
    /// first.
    pub time: Duration,
}

/// The loaded rules of a source and their matches, in the order of loading.
#[derive(Debug, Default)]
pub struct RuleTable {
    rules: Vec<(RuleLabel, Arc<RuleCounts>)>,
    /// Whether somebody wants to know what each rule costs.
    pub is_profiled: bool,
}

impl RuleTable {
    /// Counts a match of the rule with number `index`.
    pub fn matched(&self, index: usize) {
        if let Some((_, counts)) = self.rules.get(index) {
            counts.matches.fetch_add(1, Relaxed);
        }
    }

    /// Each rule and its number of matches.
    pub fn iter(&self) -> impl Iterator<Item = (&RuleLabel, u64)> {
        let rules = self.rules.iter();
        rules.map(|(rule, counts)| (rule, counts.matches.load(Relaxed)))
    }

    /// Each rule and what its condition has cost, if [`Self::is_profiled`].
    pub fn costs(&self) -> impl Iterator<Item = (&RuleLabel, RuleCost)> {
        let rules = self.rules.iter().filter(|_| self.is_profiled);
        rules.map(|(rule, counts)| {
            let cost = RuleCost {
                evaluations: counts.evaluations.load(Relaxed),
                time: Duration::from_nanos(counts.nanoseconds.load(Relaxed)),
            };
            (rule, cost)
        })
    }
}

/// Measures by the clock of the machine.
impl Meter for &RuleTable {
    type Moment = Instant;

    #[inline]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn evaluated(&mut self, rule: usize, since: Instant) {
        if let Some((_, counts)) = self.rules.get(rule) {
            let time = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
            counts.evaluations.fetch_add(1, Relaxed);
            counts.nanoseconds.fetch_add(time, Relaxed);
        }
    }
}

/// The loaded rules, by source.
#[derive(Debug, Default)]
pub struct Rules {
    tables: RwLock<BTreeMap<&'static str, Arc<RuleTable>>>,
    profile: AtomicBool,
}

impl Rules {
    /// Replaces the rules of a source; a rule with the same name continues its count.
    pub fn load(&self, source: &'static str, rules: Vec<RuleLabel>) -> Arc<RuleTable> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let former = tables.entry(source).or_default();
        let counts = |name: &str| {
            let mut rules = former.rules.iter();
            let counts = rules.find(|(old, _)| old.name == name);
            counts.map(|(_, counts)| Arc::clone(counts))
        };
        let rules = rules.into_iter().map(|rule| {
            let counts = counts(&rule.name).unwrap_or_default();
            (rule, counts)
        });
        let table = Arc::new(RuleTable {
            rules: rules.collect(),
            is_profiled: self.profile.load(Relaxed),
        });
        *former = Arc::clone(&table);
        table
    }

    /// Whether tables that are loaded from here on say what each rule costs.
    pub fn set_profiling(&self, is_on: bool) {
        self.profile.store(is_on, Relaxed);
    }

    /// The current table of each source.
    #[must_use]
    pub fn tables(&self) -> Vec<Arc<RuleTable>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
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
    fn what_rules_cost_is_measured_on_request() {
        let rules = Rules::default();
        let table = rules.load("a", vec![rule("a")]);
        assert!(!table.is_profiled);
        assert_eq!(table.costs().count(), 0);
        rules.set_profiling(true);
        let table = rules.load("a", vec![rule("a"), rule("b")]);
        let mut meter = &*table;
        let began = meter.now();
        std::thread::sleep(Duration::from_millis(2));
        meter.evaluated(1, began);
        meter.evaluated(9, began);
        let costs: Vec<_> = table.costs().map(|(_, cost)| cost).collect();
        assert_eq!(costs[0], RuleCost::default());
        assert_eq!(costs[1].evaluations, 1);
        assert!(costs[1].time >= Duration::from_millis(2));
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
