//! Coverage: the checks of each rule that the cases decide.

use std::fmt::Write as _;

use falco_rules::{Change, RuleSet, Writable, Written};

use super::{Case, mutants};

/// The coverage of all enabled rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The rules, in order.
    pub rules: Vec<RuleCoverage>,
}

/// The coverage of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCoverage {
    /// The rule.
    pub rule: Box<str>,
    /// How many checks its condition has.
    pub leaves: usize,
    /// The checks that no case decides: whatever they said, each case would have the same
    /// result.
    pub undecided: Vec<Box<str>>,
    /// How many cases say that the rule matches.
    pub positive: usize,
    /// How many cases say that the rule does not match.
    pub negative: usize,
}

impl Coverage {
    /// The coverage of rules by cases.
    #[must_use]
    pub fn of<S: Writable>(rules: &RuleSet<Written<S>>, cases: &[Case]) -> Self {
        let mut this = Self::default();
        for rule in rules
            .rules()
            .iter()
            .filter(|rule| rules.info()[rule.index].enabled)
        {
            let said = |expected| {
                let of_rule = cases.iter().filter_map(|case| case.expects(&rule.name));
                of_rule.filter(|says| *says == expected).count()
            };
            this.rules.push(RuleCoverage {
                rule: rule.name.clone(),
                leaves: rules
                    .outline(rule.index)
                    .map_or(0, |outline| outline.leaves().len()),
                undecided: Vec::new(),
                positive: said(true),
                negative: said(false),
            });
        }
        for mutant in mutants(rules, cases) {
            if matches!(mutant.change, Change::Negate(_)) && !mutant.noticed {
                let mut rules = this.rules.iter_mut();
                if let Some(rule) = rules.find(|rule| rule.rule == mutant.rule) {
                    rule.undecided.push(mutant.leaf);
                }
            }
        }
        this
    }

    /// The coverage as text: a line for each rule, and one for each check that no case decides.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        for rule in &self.rules {
            let decided = rule.leaves - rule.undecided.len();
            let _ = writeln!(
                out,
                "{}: {decided} of {} checks decided by {} cases that match and {} that do not",
                rule.rule, rule.leaves, rule.positive, rule.negative
            );
            for leaf in &rule.undecided {
                let _ = writeln!(out, "  undecided: {leaf}");
            }
        }
        out
    }
}
