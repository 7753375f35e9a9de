//! Base files: definitions that other files rely on, change, or leave alone.

use super::{Options, RuleFile, compile, matches, netcat};

const BASE: &str = "
- list: shells
  items: [sh, bash]
- macro: shell
  condition: (proc.name in (shells))
- macro: mine
  condition: (proc.pid = 0)
- macro: below_shell
  condition: (proc.pname in (shells) and not mine)
- macro: foreign
  condition: (no.field = 1)
";

fn rule(name: &str, condition: &str) -> String {
    super::rule(name, &format!("evt.type = execve and ({condition})"))
}

fn load(base: &str, text: &str) -> crate::Compilation<super::Programs> {
    let files = [
        RuleFile::base("base.yaml", base),
        RuleFile::new("a.yaml", text),
    ];
    compile(&files, &Options::default())
}

/// The problems of a rule file behind the base file, line by line.
fn problems(text: &str) -> Vec<String> {
    let report = load(BASE, text).report;
    report.problems().map(ToString::to_string).collect()
}

fn hits(text: &str) -> bool {
    let compilation = load(BASE, text);
    let report = compilation.report.text();
    !matches(&compilation.set.expect(&report), &netcat()).is_empty()
}

#[test]
fn rules_rely_on_a_base_file_and_what_they_do_not_use_is_no_problem() {
    let text = rule("r", "below_shell or shell");
    // `foreign` has an unknown field, and nobody uses it.
    assert!(problems(&text).is_empty(), "{:?}", problems(&text));
    assert!(hits(&text));
}

#[test]
fn a_definition_takes_the_place_of_that_of_a_base_file() {
    let text = rule("r", "below_shell");
    for (change, hit) in [
        ("- {macro: below_shell, condition: proc.name = x}\n", false),
        ("- {macro: mine, condition: proc.pid = 1000}\n", false),
        ("- {macro: mine, condition: proc.pid = 1}\n", true),
        ("- {list: shells, items: [zsh]}\n", false),
        ("- {list: shells, items: [bash]}\n", true),
    ] {
        for text in [format!("{change}{text}"), format!("{text}{change}")] {
            assert!(problems(&text).is_empty(), "{text}");
            assert_eq!(hits(&text), hit, "{text}");
        }
    }
}

#[test]
fn a_file_can_add_to_a_base_file() {
    let text = rule("r", "below_shell");
    for (change, hit) in [
        (
            "- {macro: mine, condition: or proc.name = nc, override: {condition: append}}\n",
            false,
        ),
        (
            "- {macro: below_shell, condition: and proc.name = x, override: {condition: append}}\n",
            false,
        ),
        (
            "- {list: shells, items: [zsh], override: {items: append}}\n",
            true,
        ),
        (
            "- {list: shells, items: [zsh], override: {items: replace}}\n",
            false,
        ),
    ] {
        let text = format!("{change}{text}");
        assert!(problems(&text).is_empty(), "{text}");
        assert_eq!(hits(&text), hit, "{text}");
    }
}

#[test]
fn an_error_in_what_a_file_changes_is_that_file_s() {
    let change = "- {macro: mine, condition: or and, override: {condition: append}}\n";
    let problems = problems(change);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems
            .iter()
            .all(|problem| problem.starts_with("a.yaml:1:")),
        "{problems:?}"
    );
}

#[test]
fn an_error_of_a_base_file_matters_where_a_rule_uses_it() {
    let report = load(BASE, &rule("r", "foreign")).report;
    assert!(
        report.text().contains("base.yaml: Invalid"),
        "{}",
        report.text()
    );
    assert!(report.text().contains("unknown field 'no.field'"));
}

#[test]
fn what_a_file_defines_for_nobody_is_a_warning_although_the_base_file_names_it() {
    let text = format!(
        "- {{list: shells, items: [zsh]}}\n- {{macro: mine, condition: proc.pid = 2}}\n{}",
        rule("r", "proc.name = nc")
    );
    let mut problems = problems(&text);
    problems.sort();
    let expected = ["list 'shells' is not used", "macro 'mine' is not used"];
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "{problems:?}");
    }
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn a_base_file_is_in_the_digest_and_in_no_list_of_files() {
    let text = rule("r", "below_shell");
    let set = load(BASE, &text).set.unwrap();
    let names: Vec<_> = set.files().iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["a.yaml"]);
    let other = load(&format!("{BASE}- {{list: more, items: []}}\n"), &text);
    assert_ne!(set.digest(), other.set.unwrap().digest());
    let report = load(BASE, &text).report;
    assert_eq!(report.text(), "a.yaml: Ok\n");
    assert_eq!(
        report.json()["falco_load_results"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let listed = |kind: &str| -> Vec<String> {
        let list = set.list_json()[kind].clone();
        let items = list.as_array().unwrap().iter();
        items
            .map(|item| item["info"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed("macros"), ["mine", "below_shell"]);
    assert_eq!(listed("lists"), ["shells"]);
}
