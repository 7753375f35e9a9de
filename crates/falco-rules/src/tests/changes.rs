//! Appends, overrides, redefinitions, exceptions: the rules that result from them.

use std::time::Duration;

use super::{Options, RuleFile, compile, complaints, matches, netcat, rule, rules};
use crate::Priority;

/// Whether rule `r` of a text matches `netcat`.
fn hit(text: &str) -> bool {
    matches(&rules(text), &netcat()) == ["r"]
}

fn with(condition: &str, more: &str) -> String {
    rule("r", condition) + more
}

#[test]
fn a_condition_is_appended_or_replaced() {
    let append = "- rule: r\n  condition: and proc.pid = 1\n  override:\n    condition: append\n";
    assert!(!hit(&with("proc.name = nc", append)));
    let or = "- rule: r\n  condition: or proc.pid = 1000\n  append: true\n";
    assert!(hit(&with("proc.name = x", or)));
    let replace = "- rule: r\n  condition: proc.pid = 1000\n  override:\n    condition: replace\n";
    assert!(hit(&with("proc.name = x", replace)));
}

#[test]
fn every_key_can_be_overridden() {
    let text = with(
        "proc.name = nc",
        "- rule: r
  output: '%proc.name'
  desc: more
  tags: [z, a, z]
  priority: critical
  override:
    output: append
    desc: append
    tags: append
    priority: replace
",
    );
    let set = rules(&text);
    let rule = &set.rules()[0];
    assert_eq!(rule.output.text(), "o %proc.name");
    assert_eq!(&*rule.description, "d more");
    assert_eq!(rule.priority, Priority::Critical);
    assert_eq!(
        rule.tags.iter().map(|t| &**t).collect::<Vec<_>>(),
        ["a", "z"]
    );
    let text = text
        + "- rule: r\n  output: x\n  desc: y\n  tags: [q]\n  enabled: false\n  warn_evttypes: false\n  override:\n    output: replace\n    desc: replace\n    tags: replace\n    enabled: replace\n    warn_evttypes: replace\n";
    let set = rules(&text);
    let rule = &set.rules()[0];
    assert_eq!(rule.output.text(), "x");
    assert_eq!(&*rule.description, "y");
    assert_eq!(&*rule.tags[0], "q");
    assert!(!set.info()[0].enabled);
    assert!(!hit(&text));
}

#[test]
fn a_rule_is_switched_by_its_name_alone() {
    assert!(!hit(&with(
        "proc.name = nc",
        "- rule: r\n  enabled: false\n"
    )));
    let on = "- rule: r\n  enabled: false\n- rule: r\n  enabled: true\n";
    assert!(hit(&with("proc.name = nc", on)));
    assert!(!hit(&with("proc.name = nc", "  enabled: false\n")));
}

#[test]
fn a_redefined_rule_keeps_its_place() {
    let text =
        rule("r", "proc.name = x") + &rule("s", "proc.name = nc") + &rule("r", "proc.pid > 0");
    assert!(hit(&text));
}

#[test]
fn lists_and_macros_are_appended_to_and_replaced_also_for_earlier_rules() {
    let base = "- list: l\n  items: [a]\n- macro: m\n  condition: proc.name in (l)\n".to_owned()
        + &rule("r", "m");
    assert!(!hit(&base));
    for change in [
        "- list: l\n  items: [nc]\n  append: true\n",
        "- list: l\n  items: [nc]\n  override:\n    items: append\n",
        "- list: l\n  items: [nc]\n  override:\n    items: replace\n",
        "- list: l\n  items: [nc]\n",
        "- macro: m\n  condition: or proc.name = nc\n  append: true\n",
        "- macro: m\n  condition: or proc.name = nc\n  override:\n    condition: append\n",
        "- macro: m\n  condition: proc.name = nc\n  override:\n    condition: replace\n",
        "- macro: m\n  condition: proc.name = nc\n",
    ] {
        assert!(hit(&(base.clone() + change)), "{change}");
    }
}

#[test]
fn later_files_change_earlier_ones() {
    let files = [
        RuleFile::new("a.yaml", rule("r", "proc.name = x")),
        RuleFile::new(
            "b.yaml",
            "- rule: r\n  condition: or proc.name = nc\n  override:\n    condition: append\n",
        ),
    ];
    let set = compile(&files, &Options::default()).set.unwrap();
    assert_eq!(matches(&set, &netcat()), ["r"]);
}

fn except(exceptions: &str) -> bool {
    !hit(&with(
        "evt.type = execve",
        &format!("  exceptions:\n{exceptions}"),
    ))
}

#[test]
fn exceptions_with_more_than_one_field_compare_tuples() {
    let two = "    - name: e\n      fields: [proc.name, proc.pname]\n";
    assert!(except(&format!("{two}      values: [[nc, bash]]\n")));
    assert!(except(&format!(
        "{two}      values: [[x, y], [nc, bash]]\n"
    )));
    assert!(!except(&format!("{two}      values: [[nc, zsh]]\n")));
    assert!(!except(two));
    let comps =
        "    - name: e\n      fields: [proc.name, proc.cmdline]\n      comps: [in, contains]\n";
    assert!(except(&format!(
        "{comps}      values: [[[a, nc], /bin/sh]]\n"
    )));
    assert!(except(&format!(
        "{comps}      values: [['(a, nc)', '/bin/sh 10']]\n"
    )));
    assert!(!except(&format!(
        "{comps}      values: [[[a, b], /bin/sh]]\n"
    )));
}

#[test]
fn exceptions_of_one_field_are_a_list() {
    let one = "    - name: e\n      fields: proc.name\n";
    assert!(except(&format!("{one}      values: [a, nc]\n")));
    assert!(!except(&format!("{one}      values: [a]\n")));
    let paths = "    - name: e\n      fields: proc.exepath\n      comps: pmatch\n";
    assert!(except(&format!("{paths}      values: [/opt, /usr]\n")));
}

#[test]
fn an_exception_can_name_a_list() {
    let text = "- list: l\n  items: [nc, x]\n".to_owned()
        + &with(
            "evt.type = execve",
            "  exceptions:\n    - name: e\n      fields: [proc.name]\n      comps: [in]\n      values: [[l]]\n",
        );
    assert!(!hit(&text));
}

#[test]
fn an_exception_of_one_field_can_name_a_list_too() {
    for values in ["[l]", "[other, l]"] {
        let rule = with(
            "evt.type = execve",
            &format!(
                "  exceptions:\n    - name: e\n      fields: proc.name\n      values: {values}\n"
            ),
        );
        assert!(!hit(&("- list: l\n  items: [nc, x]\n".to_owned() + &rule)));
        assert!(hit(&("- list: l\n  items: [x]\n".to_owned() + &rule)));
    }
}

#[test]
fn a_rule_sees_lists_and_macros_that_are_defined_after_it() {
    let rule = with("evt.type = execve and m and not proc.name in (l)", "");
    let macros = "- macro: m\n  condition: proc.name in (known)\n- list: known\n  items: [nc]\n";
    assert!(hit(&format!("{rule}{macros}- list: l\n  items: [x]\n")));
    assert!(!hit(&format!("{rule}{macros}- list: l\n  items: [nc]\n")));
}

#[test]
fn exceptions_are_appended_to_by_name() {
    let base = with(
        "evt.type = execve",
        "  exceptions:\n    - name: e\n      fields: [proc.name]\n",
    );
    assert!(hit(&base));
    for change in [
        "- rule: r\n  exceptions:\n    - name: e\n      values: [[nc]]\n  override:\n    exceptions: append\n",
        "- rule: r\n  exceptions:\n    - name: e\n      values: [[nc]]\n  append: true\n",
        "- rule: r\n  exceptions:\n    - name: f\n      fields: proc.pid\n      values: [1000]\n  append: true\n",
        "- rule: r\n  exceptions:\n    - name: f\n      fields: [proc.pid]\n      values: [[1000]]\n  override:\n    exceptions: replace\n",
    ] {
        assert!(!hit(&(base.clone() + change)), "{change}");
    }
}

#[test]
fn exceptions_stand_beside_an_or() {
    let text = with(
        "proc.name = nc or proc.pid = 1000",
        "  exceptions:\n    - name: e\n      fields: proc.name\n      values: [nc]\n",
    );
    assert!(!hit(&text));
}

#[test]
fn a_rule_says_whether_a_match_starts_a_recording_and_for_how_long() {
    let base = with("evt.type = execve", "");
    let of = |more: &str| {
        let set = rules(&(base.clone() + more));
        let rule = &set.rules()[0];
        (rule.capture, rule.capture_duration)
    };
    let ms = |ms| Some(Duration::from_millis(ms));
    assert_eq!(of(""), (false, None));
    assert_eq!(of("  capture: true\n"), (true, None));
    assert_eq!(
        of("  capture: true\n  capture_duration: 1500\n"),
        (true, ms(1500))
    );
    assert_eq!(of("  capture_duration: 0\n"), (false, None));
    let change = "- rule: r\n  capture: true\n  capture_duration: 7\n  override: {capture: replace, capture_duration: replace}\n";
    assert_eq!(of(change), (true, ms(7)));
    assert_eq!(
        of(&format!("  capture_duration: 9\n{change}")),
        (true, ms(7))
    );
    for wrong in ["-1", "1.5", "4294967296", "soon"] {
        let said = complaints(&[&format!("{base}  capture_duration: {wrong}\n")]);
        let expected = "'capture_duration' must be a number of milliseconds, at most 4294967295";
        assert!(said.contains(expected), "{wrong}: {said}");
    }
}
