//! Why a rule can never match, or not in all the cases that it is written for.

use std::fmt::{self, Write as _};

use super::{
    Classes, RuleInfo, RuleSet, Source,
    compile::{Checks, Graph, NodeId, Test},
    condition::Operator,
    set::Activity,
    source::types,
};

/// Most names that one reason lists.
const NAMES_MAX: usize = 12;

/// Whether and why the condition of a rule cannot match, where events have the types `here`.
pub(super) fn activity<S: Source>(
    graph: &Graph,
    checks: &Checks<S>,
    node: NodeId,
    matches: bool,
    here: &[&str],
) -> Activity {
    let mut missing: Vec<Box<str>> = Vec::new();
    let mut fields: Vec<Box<str>> = Vec::new();
    // Types that there are, and fields that some events have.
    let mut own_types: Vec<Box<str>> = Vec::new();
    let mut own_fields: Vec<(Box<str>, Classes)> = Vec::new();
    graph.checks(node, &mut |id, positive| {
        let check = checks.get(id);
        let info = checks.operand_of(id);
        let mut foreign = |name: &Option<Box<str>>| {
            if let Some(name) = name
                && !fields.contains(name)
            {
                fields.push(name.clone());
            }
        };
        foreign(&info.foreign);
        if let Test::Operand(_, right) = &check.test {
            foreign(&checks.operands[*right as usize].foreign);
        }
        if positive {
            info.operand.fields(&mut |field| {
                own_fields.push((field.key.clone(), field.field.classes));
            });
        }
        if positive
            && info.operand.to_string() == S::TYPE_FIELD
            && let Test::Symbols(symbols, _) = &check.test
            && matches!(
                check.operator,
                Operator::Eq | Operator::In | Operator::Intersects
            )
        {
            for (name, number) in &info.symbols {
                if !symbols.contains(*number) {
                    continue;
                }
                if here.contains(&&**name) {
                    own_types.push(name.clone());
                } else if !missing.contains(name) {
                    missing.push(name.clone());
                }
            }
        }
    });
    missing.sort();
    fields.sort();
    let mut reasons: Vec<Box<str>> = Vec::new();
    if !missing.is_empty() {
        let (names, s) = names(&missing);
        reasons.push(format!("no events of type{s} {names}").into());
    }
    if !fields.is_empty() {
        let (names, s) = names(&fields);
        let have = if s.is_empty() { "has" } else { "have" };
        reasons.push(format!("field{s} {names} never {have} a value here").into());
    }
    match (matches, reasons.is_empty()) {
        (true, true) => Activity::Active,
        (true, false) => Activity::Partly(reasons.into()),
        (false, false) => {
            if !own_types.is_empty() && fields.is_empty() {
                reasons.push("what is left of its condition is never true".into());
            }
            Activity::Inactive(reasons.into())
        }
        (false, true) => Activity::Inactive(Box::new([elsewhere::<S>(&own_types, own_fields)
            .unwrap_or_else(|| "its condition is never true".to_owned())
            .into()])),
    }
}

/// The reason if a condition asks events of some types for fields that only other events have.
fn elsewhere<S: Source>(of_types: &[Box<str>], fields: Vec<(Box<str>, Classes)>) -> Option<String> {
    let has_type = |class: usize| {
        let types = types::<S>(Classes::one(class));
        types
            .iter()
            .any(|ty| of_types.iter().any(|wanted| **wanted == **ty))
    };
    let classes: Vec<_> = (0..S::CLASSES).filter(|class| has_type(*class)).collect();
    let mut absent: Vec<_> = fields
        .into_iter()
        .filter(|(_, has)| !classes.iter().any(|class| has.contains(*class)))
        .map(|(field, _)| field)
        .collect();
    if classes.is_empty() || absent.is_empty() {
        return None;
    }
    absent.sort();
    absent.dedup();
    let mut of_types = of_types.to_vec();
    of_types.sort();
    of_types.dedup();
    let ((fields, s), (types, types_s)) = (names(&absent), names(&of_types));
    let have = if s.is_empty() { "has" } else { "have" };
    Some(format!(
        "field{s} {fields} never {have} a value in events of type{types_s} {types}"
    ))
}

fn names(list: &[Box<str>]) -> (String, &'static str) {
    let mut text = list[..list.len().min(NAMES_MAX)].join(", ");
    if list.len() > NAMES_MAX {
        let _ = write!(text, " and {} more", list.len() - NAMES_MAX);
    }
    (text, if list.len() == 1 { "" } else { "s" })
}

/// How many rules of a set can match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Loaded rules.
    pub rules: usize,
    /// Files that they are from.
    pub files: usize,
    /// Enabled rules that can match in all cases for which they are written.
    pub active: usize,
    /// Enabled rules that can match in some of these cases.
    pub partly: usize,
    /// Enabled rules that can never match.
    pub inactive: usize,
    /// Disabled rules.
    pub off: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let Self { rules, files, .. } = *self;
        write!(f, "{rules} rule{} from {files} file{}", s(rules), s(files))?;
        let mut before = ":";
        for (count, state) in [
            (self.active, "active"),
            (self.partly, "partly"),
            (self.inactive, "inactive"),
            (self.off, "off"),
        ] {
            if count > 0 {
                write!(f, "{before} {count} {state}")?;
                before = ",";
            }
        }
        Ok(())
    }
}

impl RuleInfo {
    /// The state of the rule in a word: `active`, `partly`, `inactive`, or `off`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match &self.activity {
            _ if !self.enabled => "off",
            Activity::Active => "active",
            Activity::Partly(_) => "partly",
            Activity::Inactive(_) => "inactive",
        }
    }
}

impl<S: Source> RuleSet<S> {
    /// How many rules can match.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally {
            rules: self.rules.len(),
            files: self.files.len(),
            ..Tally::default()
        };
        for info in &self.info {
            *match info.state() {
                "active" => &mut tally.active,
                "partly" => &mut tally.partly,
                "inactive" => &mut tally.inactive,
                _ => &mut tally.off,
            } += 1;
        }
        tally
    }

    /// A sentence about each enabled rule that cannot match in all cases, and about each one whose
    /// output has fields that never have a value.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        let all = self.rules.iter().zip(&self.info);
        all.filter(|(_, info)| info.enabled)
            .filter_map(|(rule, info)| match &info.activity {
                Activity::Inactive(reasons) => Some(format!(
                    "rule '{}' is inactive: {}",
                    rule.name,
                    reasons.join("; ")
                )),
                Activity::Partly(reasons) => Some(format!(
                    "rule '{}' is partly active: {}",
                    rule.name,
                    reasons.join("; ")
                )),
                Activity::Active => {
                    let fields = rule.output.fields().iter();
                    let empty = fields.filter(|field| field.field.classes.is_empty());
                    let empty: Vec<_> = empty.map(|field| field.key.clone()).collect();
                    let (names, s) = names(&empty);
                    let have = if s.is_empty() { "has" } else { "have" };
                    (!empty.is_empty()).then(|| {
                        format!(
                            "rule '{}' prints {names}, which never {have} a value here",
                            rule.name
                        )
                    })
                }
            })
    }
}
