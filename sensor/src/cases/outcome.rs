//! What the rules say about the events of cases.

use bumpalo::Bump;
use falco_rules::{
    Matching, Options, RuleFile, RuleSet, Scratch, Source, Writable, Written, WrittenEvent,
};

use super::{Case, CaseFile};

/// The outcome of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The name of the case.
    pub name: Box<str>,
    /// The line of the file on which the case begins.
    pub line: usize,
    /// What is not as the case says; nothing if the case passes.
    pub failures: Vec<String>,
}

/// Compiles the rules of a file of cases. `base` puts the files before them that rules rely on.
///
/// # Errors
/// What is wrong with the rules, as text.
pub fn compile<S: Writable>(
    file: &CaseFile,
    base: impl FnOnce(Vec<RuleFile>) -> Vec<RuleFile>,
) -> Result<RuleSet<Written<S>>, String> {
    let files = falco_rules::read(&file.rules).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        problems.join("\n")
    })?;
    compiled::<S>(&base(files))
}

/// Tries each case of a file; returns the outcomes, in order.
#[must_use]
pub fn run<S: Writable>(rules: &RuleSet<Written<S>>, file: &CaseFile) -> Vec<Outcome> {
    let mut scratch = Scratch::default();
    let outcomes = file.cases.iter();
    outcomes
        .map(|case| outcome(rules, &mut scratch, case))
        .collect()
}

/// Compiles rules for written events, with outlines of their conditions.
pub(super) fn compiled<S: Writable>(files: &[RuleFile]) -> Result<RuleSet<Written<S>>, String> {
    let options = Options {
        matching: Matching::All,
        outlines: true,
        ..Options::default()
    };
    let compilation = falco_rules::compile(files, &options);
    compilation.set.ok_or_else(|| compilation.report.text())
}

fn outcome<S: Writable>(
    rules: &RuleSet<Written<S>>,
    scratch: &mut Scratch,
    case: &Case,
) -> Outcome {
    if let Some(problem) = &case.problem {
        return Outcome {
            name: case.name.clone(),
            line: case.line,
            failures: vec![problem.clone()],
        };
    }
    let arena = Bump::new();
    let event = WrittenEvent::new(&case.event, &arena);
    let mut matched: Vec<(Box<str>, String)> = Vec::new();
    evaluate(rules, scratch, &event, &mut matched);
    let mut failures = Vec::new();
    let known = |name: &str| rules.rules().iter().any(|rule| &*rule.name == name);
    for name in &case.matches {
        if !known(name) {
            failures.push(format!("no rule is named '{name}'"));
        } else if !matched.iter().any(|(rule, _)| rule == name) {
            failures.push(format!(
                "rule '{name}' does not match{}",
                reason(rules, scratch, &event, name)
            ));
        }
    }
    for name in &case.not {
        if &**name == "*" {
            let others = matched
                .iter()
                .filter(|(rule, _)| !case.matches.contains(rule));
            failures.extend(others.map(|(rule, _)| format!("rule '{rule}' matches")));
        } else if !known(name) {
            failures.push(format!("no rule is named '{name}'"));
        } else if matched.iter().any(|(rule, _)| rule == name) {
            failures.push(format!("rule '{name}' matches"));
        }
    }
    for (name, expected) in &case.outputs {
        match matched.iter().find(|(rule, _)| rule == name) {
            Some((_, output)) if output.trim_end() == expected.trim_end() => {}
            Some((_, output)) => failures.push(format!(
                "the output of rule '{name}' is\n  {output}\nand not\n  {expected}"
            )),
            None => failures.push(format!("rule '{name}' has no output: it does not match")),
        }
    }
    Outcome {
        name: case.name.clone(),
        line: case.line,
        failures,
    }
}

fn evaluate<'e, S: Writable>(
    rules: &RuleSet<Written<S>>,
    scratch: &mut Scratch,
    event: &'e <Written<S> as Source>::Event<'e>,
    matched: &mut Vec<(Box<str>, String)>,
) {
    rules.evaluate(scratch, event, &mut |rule| {
        let mut text = Vec::new();
        rule.output.render(event, &mut text);
        matched.push((
            rule.name.clone(),
            String::from_utf8_lossy(&text).into_owned(),
        ));
    });
}

/// The first check that keeps a rule from matching, as the end of a sentence.
fn reason<'e, S: Writable>(
    rules: &RuleSet<Written<S>>,
    scratch: &mut Scratch,
    event: &'e <Written<S> as Source>::Event<'e>,
    name: &str,
) -> String {
    let rule = rules.rules().iter().find(|rule| &*rule.name == name);
    let outline = rule.and_then(|rule| rules.outline(rule.index));
    let Some((rule, outline)) = rule.zip(outline) else {
        return String::new();
    };
    if !rules.info()[rule.index].enabled {
        return ": it is not enabled".to_owned();
    }
    let verdicts = rules.verdicts(scratch, outline, event);
    let truths: Vec<bool> = verdicts.iter().map(|(is, _)| *is).collect();
    let Some(leaf) = outline.decisive(&truths) else {
        return String::new();
    };
    let (is, value) = &verdicts[leaf];
    let text = &outline.leaves()[leaf].text;
    format!(
        ": '{text}' is {is}, the value is {}",
        crate::cases::shown(value)
    )
}
