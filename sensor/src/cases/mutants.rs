//! Mutants: rules with one changed check. A mutant negates a check or leaves it out; a case notices the
//! mutant if the mutant's verdict is not the one that the case expects.

use bumpalo::Bump;
use falco_rules::{Change, Rule, RuleSet, Scratch, Writable, Written, WrittenEvent};

use super::Case;

/// A changed rule, and whether a case notices the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The rule.
    pub rule: Box<str>,
    /// The change.
    pub change: Change,
    /// The check.
    pub leaf: Box<str>,
    /// Whether a case fails with the changed rule.
    pub noticed: bool,
}

/// All mutants of the enabled rules, with what the cases make of them.
#[must_use]
pub fn mutants<S: Writable>(rules: &RuleSet<Written<S>>, cases: &[Case]) -> Vec<Mutant> {
    let mut scratch = Scratch::default();
    let enabled = rules
        .rules()
        .iter()
        .filter(|rule| rules.info()[rule.index].enabled);
    enabled
        .flat_map(|rule| of_rule(rules, rule, cases, &mut scratch))
        .collect()
}

fn of_rule<S: Writable>(
    rules: &RuleSet<Written<S>>,
    rule: &Rule<Written<S>>,
    cases: &[Case],
    scratch: &mut Scratch,
) -> Vec<Mutant> {
    let Some(outline) = rules.outline(rule.index) else {
        return Vec::new();
    };
    let judged: Vec<(bool, Vec<bool>)> = cases
        .iter()
        .filter(|case| case.problem.is_none())
        .filter_map(|case| {
            let expected = case.expects(&rule.name)?;
            let arena = Bump::new();
            let event = WrittenEvent::new(&case.event, &arena);
            let verdicts = rules.verdicts(scratch, outline, &event);
            Some((expected, verdicts.iter().map(|(is, _)| *is).collect()))
        })
        .collect();
    let leaves = outline.leaves().iter().enumerate();
    let changes = leaves.flat_map(|(number, leaf)| {
        [Change::Negate(number), Change::Remove(number)].map(|change| (change, &*leaf.text))
    });
    let mutant = |(change, leaf): (Change, &str)| Mutant {
        rule: rule.name.clone(),
        change,
        leaf: leaf.into(),
        noticed: judged
            .iter()
            .any(|(expected, verdicts)| outline.is_true_with(change, verdicts) != *expected),
    };
    changes.map(mutant).collect()
}

impl Case {
    /// Whether the rule of that name must match; nothing if the case does not say.
    #[must_use]
    pub fn expects(&self, rule: &str) -> Option<bool> {
        let names = |names: &[Box<str>], wanted: &str| names.iter().any(|name| &**name == wanted);
        if names(&self.matches, rule) {
            Some(true)
        } else if names(&self.not, rule) || names(&self.not, "*") {
            Some(false)
        } else {
            None
        }
    }
}
