//! Each kind of error in a rule file, and its message.

use super::{complaints, rule};

/// Checks the whole report about one text.
fn says(text: &str, expected: &str) {
    assert_eq!(
        complaints(&[text]),
        expected.trim_start_matches('\n'),
        "{text}"
    );
}

#[test]
fn a_place_in_a_folded_text_is_found() {
    says(
        "- rule: r\n  desc: d\n  condition: >\n    evt.type = execve and\n      not proc.nmae exists\n  output: o\n  priority: INFO\n",
        "
LOAD_ERR_COMPILE_CONDITION 0.yaml:5:11: error: unknown field 'proc.nmae'
  5 |       not proc.nmae exists
    |           ^^^^^^^^^
  help: did you mean 'proc.name'?",
    );
}

#[test]
fn a_place_in_an_appended_condition_is_in_its_own_file() {
    let said = complaints(&[
        &rule("r", "evt.type = execve"),
        "- rule: r\n  condition: and proc.nmae exists\n  override: {condition: append}\n",
    ]);
    assert!(
        said.contains(" 1.yaml:2:18: error: unknown field 'proc.nmae'"),
        "{said}"
    );
}

#[test]
fn every_mistake_of_every_file_is_reported() {
    let said = complaints(&[
        &(rule("a", "evt.type = execve and proc.x = 1 and proc.pid = y") + &rule("b", "nomacro")),
        "- [",
        &rule("c", "evt.type = x"),
    ]);
    assert_eq!(said.matches(": error: ").count(), 5, "{said}");
}

#[test]
fn mistakes_in_outputs() {
    says(
        &rule("r", "evt.type = execve").replace("output: o", "output: 'a %proc.nmae b'"),
        "
LOAD_ERR_COMPILE_OUTPUT 0.yaml:4:15: error: unknown field 'proc.nmae'
  4 |   output: 'a %proc.nmae b'
    |               ^^^^^^^^^
  help: did you mean 'proc.name'?",
    );
    says(
        &rule("r", "evt.type = execve").replace("output: o", "output: 100% sure"),
        "
LOAD_ERR_COMPILE_OUTPUT 0.yaml:4:14: error: '%' is not followed by a field
  4 |   output: 100% sure
    |              ^
  help: write %field or %field[argument]; a '%' itself cannot be printed",
    );
}

#[test]
fn mistakes_in_items() {
    says(
        "a: b\n",
        "
LOAD_ERR_YAML_VALIDATE 0.yaml:1:1: error: a rule file is a list of items, not a mapping
  1 | a: b
    | ^
  help: begin each item with '- rule:', '- macro:' or '- list:'",
    );
    says(
        "- x\n",
        "
LOAD_ERR_YAML_VALIDATE 0.yaml:1:3: error: an item is a mapping, not a text
  1 | - x
    |   ^",
    );
    says(
        "- rul: x\n",
        "
LOAD_UNKNOWN_ITEM 0.yaml:1:3: warning: unknown item 'rul'
  1 | - rul: x
    |   ^^^
  help: did you mean 'rule'?",
    );
    says(
        "- rule: r\n  desc: d\n  condition: evt.type = execve\n  output: o\n",
        "
LOAD_ERR_YAML_VALIDATE 0.yaml:1:3: error: rule 'r' has no 'priority'
  1 | - rule: r
    |   ^",
    );
    says(
        &rule("r", "evt.type = execve").replace("DEBUG", "HIGH"),
        "
LOAD_ERR_YAML_VALIDATE 0.yaml:5:13: error: unknown priority 'HIGH'
  5 |   priority: HIGH
    |             ^^^^
  help: priorities are Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug",
    );
    says(
        &rule("r", "evt.type = execve").replace("DEBUG", "Warning"),
        "
LOAD_SCHEMA 0.yaml:5:13: warning: priority 'Warning' is not spelt as the schema has it
  5 |   priority: Warning
    |             ^^^^^^^
  help: write WARNING",
    );
    says(
        &(rule("r", "evt.type = execve") + "  tag: [x]\n"),
        "
LOAD_UNKNOWN_KEY 0.yaml:6:3: warning: unknown key 'tag' in rule 'r'
  6 |   tag: [x]
    |   ^^^
  help: did you mean 'tags'?",
    );
    says(
        "- rule: r\n  condition: and x\n  override: {condition: append}\n",
        "
LOAD_ERR_VALIDATE 0.yaml:1:3: error: rule 'r' is changed here, but was not defined before
  1 | - rule: r
    |   ^",
    );
    says(
        "- rule: r\n  enabled: false\n",
        "
LOAD_ERR_VALIDATE 0.yaml:1:3: error: rule 'r' is changed here, but was not defined before
  1 | - rule: r
    |   ^",
    );
    says(
        "- list: l\n  items: x\n",
        "
LOAD_ERR_YAML_VALIDATE 0.yaml:2:10: error: 'items' must be a list, not a text
  2 |   items: x
    |          ^",
    );
    says(&(rule("r", "evt.type = execve") + "- rule: r\n  source: x\n  override: {source: replace}\n"), "
LOAD_ERR_YAML_VALIDATE 0.yaml:8:14: error: key 'source' of a rule cannot be overridden by replace
  8 |   override: {source: replace}
    |              ^
  help: keys that can: condition, output, desc, tags, exceptions, priority, enabled, warn_evttypes, skip-if-unknown-filter, capture, capture_duration");
    says(
        "- required_engine_version: 0.99.0\n",
        "
LOAD_ERR_EXTENSION 0.yaml:1:28: error: rules require engine version 0.99.0, provided is 0.62.0
  1 | - required_engine_version: 0.99.0
    |                            ^",
    );
    says("- required_plugin_versions:\n  - name: container\n    version: 1.0.0\n", "
LOAD_ERR_EXTENSION 0.yaml:2:5: error: rules require another version of the plugin 'container', provided is 0.7.1
  2 |   - name: container
    |     ^");
    says(
        "- required_engine_version: 0.62.0\n- required_engine_version: 26\n- required_plugin_versions:\n  - name: container\n    version: 0.4.0\n",
        "",
    );
}

#[test]
fn mistakes_in_macros_and_lists() {
    let used =
        |text: &str| complaints(&[&(text.to_owned() + &rule("r", "evt.type = execve and m"))]);
    let said = used("- macro: m\n  condition: proc.nmae = x\n");
    assert!(
        said.contains("COMPILE_CONDITION 0.yaml:2:14: error: unknown field 'proc.nmae'"),
        "{said}"
    );
    let said = complaints(&["- macro: m\n  condition: proc.nmae = x\n"]);
    assert!(
        said.contains("0.yaml:2:14: warning: unknown field"),
        "{said}"
    );
    assert!(
        said.contains("LOAD_UNUSED_MACRO 0.yaml:1:3: warning: macro 'm' is not used"),
        "{said}"
    );
    let said = complaints(&["- macro: m\n  condition: proc.name =\n"]);
    assert!(
        said.contains("0.yaml:2:25: error: expected a value, found the end"),
        "{said}"
    );
    let said = used("- macro: m\n  condition: n\n- macro: n\n  condition: proc.pid = 1\n");
    assert!(
        said.contains("error: macro 'n' is used before it is defined"),
        "{said}"
    );
    let said = used(
        "- macro: m\n  condition: proc.pid = 1\n- macro: n\n  condition: m\n- macro: m\n  condition: n\n",
    );
    assert!(
        said.contains("error: macro 'm' contains itself (by way of 'n')"),
        "{said}"
    );
    let said = used("- list: m\n  items: [a]\n");
    assert!(
        said.contains("error: 'm' is a list, not a macro\n"),
        "{said}"
    );
    let said = complaints(&["- list: l\n  items: [a]\n"]);
    assert!(
        said.contains("LOAD_UNUSED_LIST 0.yaml:1:3: warning: list 'l' is not used"),
        "{said}"
    );
    let said = complaints(&[&("- list: l\n  items: [a, b]\n".to_owned()
        + &rule("r", "evt.type = execve and proc.name = l"))]);
    assert!(
        said.contains("error: list 'l' has 2 items, one value is needed"),
        "{said}"
    );
}

#[test]
fn mistakes_in_exceptions() {
    let except = |text: &str| {
        complaints(&[&(rule("r", "evt.type = execve") + "  exceptions:\n    - name: e\n" + text)])
    };
    for (text, expected) in [
        ("", "0.yaml:7:7: error: exception 'e' has no 'fields'"),
        (
            "      fields: [proc.nmae]\n      values: [[a]]\n",
            "0.yaml:8:16: error: unknown field 'proc.nmae'",
        ),
        (
            "      fields: [proc.name, proc.pid]\n      comps: ['=']\n",
            "0.yaml:9:15: error: exception 'e' has 2 fields, but 1 comps",
        ),
        (
            "      fields: [proc.name]\n      comps: [x]\n",
            "0.yaml:9:15: error: 'x' is not an operator for exception 'e'",
        ),
        (
            "      fields: proc.name\n      comps: '='\n",
            "0.yaml:9:14: error: '=' is not an operator for exception 'e'",
        ),
        (
            "      fields: [proc.name, proc.pid]\n      values: [[a]]\n",
            "0.yaml:9:16: error: a value of exception 'e' has 1 elements, but there are 2 fields",
        ),
        (
            "      fields: [proc.pid]\n      values: [[a]]\n",
            "0.yaml:9:17: error: 'proc.pid' is a number, 'a' is no whole number",
        ),
        (
            "      fields: [proc.name]\n      values: [a]\n",
            "0.yaml:9:16: error: a value of exception 'e' is a list with an element a field, not a text",
        ),
    ] {
        let said = except(text);
        assert!(said.contains(expected), "{text}\n{said}");
    }
}

#[test]
fn odd_things_are_warned_about() {
    for (condition, expected) in [
        (
            "proc.name = x",
            "LOAD_NO_EVTTYPE 0.yaml:3:15: warning: the condition has no event type",
        ),
        (
            "evt.type = execve and proc.name = \"<NA>\"",
            "LOAD_UNSAFE_NA_CHECK 0.yaml:3:49: warning: comparison with <NA>",
        ),
        (
            "evt.type = execve and evt.dir = <",
            "LOAD_DEPRECATED_ITEM 0.yaml:3:37: warning: 'evt.dir' is deprecated",
        ),
    ] {
        let said = complaints(&[&rule("r", condition)]);
        assert!(said.starts_with(expected), "{condition}\n{said}");
    }
    assert_eq!(
        complaints(&[&rule("r", "evt.type = execve and proc.name = x")]),
        ""
    );
    assert_eq!(
        complaints(&[&(rule("r", "proc.name = x") + "  warn_evttypes: false\n")]),
        ""
    );
}

#[test]
fn a_rule_can_ask_to_be_left_out_if_a_field_is_unknown() {
    let text =
        rule("r", "evt.type = execve and proc.nmae = x") + "  skip-if-unknown-filter: true\n";
    let said = complaints(&[&text]);
    assert!(
        said.starts_with("LOAD_UNKNOWN_FILTER 0.yaml:3:37: warning: unknown field"),
        "{said}"
    );
}

#[test]
fn an_error_behind_many_warnings_is_reported() {
    let mut text = String::new();
    for number in 0..1100 {
        text += &rule(&format!("r{number}"), "evt.type = execve").replace("DEBUG", "Debug");
    }
    let said = complaints(&[&(text + &rule("bad", "proc.nmae = x"))]);
    assert!(said.contains("unknown field 'proc.nmae'"));
}
