//! Why a rule can never match, or not in all the cases that it is written for.

use std::fmt::Write as _;

use super::{
    Source,
    compile::{Checks, Graph, NodeId, Test},
    condition::Operator,
    set::Activity,
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
    let mut types: Vec<Box<str>> = Vec::new();
    let mut own = false;
    let mut fields: Vec<Box<str>> = Vec::new();
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
                    own = true;
                } else if !types.contains(name) {
                    types.push(name.clone());
                }
            }
        }
    });
    types.sort();
    fields.sort();
    let mut reasons: Vec<Box<str>> = Vec::new();
    if !types.is_empty() {
        let (names, s) = names(&types);
        reasons.push(format!("no events of type{s} {names}").into());
    }
    if !fields.is_empty() {
        let (names, s) = names(&fields);
        reasons.push(format!("no field{s} {names}").into());
    }
    match (matches, reasons.is_empty()) {
        (true, true) => Activity::Active,
        (true, false) => Activity::Partly(reasons.into()),
        (false, false) => {
            if own && fields.is_empty() {
                reasons.push("what is left of its condition is never true".into());
            }
            Activity::Inactive(reasons.into())
        }
        (false, true) => Activity::Inactive(Box::new(["its condition is never true".into()])),
    }
}

fn names(list: &[Box<str>]) -> (String, &'static str) {
    let mut text = list[..list.len().min(NAMES_MAX)].join(", ");
    if list.len() > NAMES_MAX {
        let _ = write!(text, " and {} more", list.len() - NAMES_MAX);
    }
    (text, if list.len() == 1 { "" } else { "s" })
}
