//! Any text is rules or problems: no panic, no hang, no exponential cost.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{Options, RuleFile, Scratch, compile, netcat, programs::Programs, rule, with_event};
use crate::Template;

/// Compiles a text and, if it has no error, evaluates and lists its rules.
fn survive(text: &str) -> bool {
    let compilation = compile(&[RuleFile::new("p.yaml", text)], &Options::default());
    assert_eq!(compilation.set.is_some(), compilation.report.is_ok());
    let _ = compilation.report.text();
    if let Some(set) = &compilation.set {
        with_event(&netcat(), |event| {
            set.evaluate(&mut Scratch::default(), event, &mut |_| {});
        });
        let _ = (set.list_text(), set.list_json());
    }
    compilation.set.is_some()
}

/// Checks that a function ends within a second (ten in a debug build on a busy machine).
fn in_time(text: &str) -> bool {
    let limit = if cfg!(debug_assertions) { 30 } else { 1 };
    let start = Instant::now();
    let good = survive(text);
    assert!(
        start.elapsed() < Duration::from_secs(limit),
        "{:?}",
        start.elapsed()
    );
    good
}

/// Pieces of conditions, and some that no condition has.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "and",
            "or",
            "not",
            "(",
            ")",
            ",",
            "=",
            "!=",
            "<",
            ">=",
            "in",
            "contains",
            "glob",
            "regex",
            "exists",
            "pmatch",
            "intersects",
            "anyof",
            "proc.name",
            "proc.pid",
            "proc.aname",
            "proc.aname[2]",
            "proc.env[A]",
            "fd.sip",
            "fd.snet",
            "evt.type",
            "evt.failed",
            "execve",
            "10.0.0.0/8",
            "-1",
            "0x10",
            "tolower(",
            "val(",
            "join(",
            "len(",
            "getopt(",
            "\"a b\"",
            "'x",
            "\\",
            "[",
            "]",
            "m",
            "l",
            "%",
            "é",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
        "\\PC{0,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_are_a_condition_or_a_problem(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = "- list: l\n  items: [a, b]\n- macro: m\n  condition: proc.name in (l)\n".to_owned()
            + &rule("r", &pieces.join(" ").replace(['\n', '\r'], " "));
        survive(&text);
    }

    #[test]
    fn any_text_is_a_template_or_a_problem(pieces in prop::collection::vec(piece(), 0..12)) {
        let text = pieces.join("%");
        match Template::<Programs>::parse(&text) {
            Err(error) => prop_assert!(error.at <= text.len()),
            Ok(template) => prop_assert_eq!(template.text(), text),
        }
    }

    #[test]
    fn any_lines_are_rules_or_problems(lines in prop::collection::vec(prop_oneof![
        prop::sample::select(vec![
            "- rule: r", "- rule: s", "- macro: m", "- list: l", "  desc: d", "  output: o", "  priority: INFO",
            "  condition: evt.type = execve", "  condition: m", "  items: [a, l]", "  append: true",
            "  override: {condition: append}", "  exceptions:", "    - name: e", "      fields: [proc.name]",
            "      values: [[a]]", "  enabled: false", "  tags: [x]", "---", "- required_engine_version: 26",
        ]).prop_map(str::to_owned),
        "[ -~]{0,20}",
    ], 0..30)) {
        survive(&lines.join("\n"));
    }
}

#[test]
fn deep_nesting_is_refused() {
    for n in [90, 1_000, 100_000] {
        let text = rule(
            "r",
            &format!("{}evt.type = execve{}", "(".repeat(n), ")".repeat(n)),
        );
        assert_eq!(in_time(&text), n == 90, "{n}");
        assert!(in_time(&rule(
            "r",
            &format!("{}evt.type = execve", "not ".repeat(n))
        )));
        let text = rule(
            "r",
            &format!("{}proc.name{} = x", "tolower(".repeat(n), ")".repeat(n)),
        );
        assert!(!in_time(&text));
    }
}

#[test]
fn macros_that_double_do_not_blow_up() {
    let mut text =
        String::from("- macro: m0\n  condition: (proc.name = a and evt.type = execve)\n");
    for n in 1..100 {
        let _ = write!(
            text,
            "- macro: m{n}\n  condition: ((m{0} and proc.pid = {n}) or (m{0} and proc.pid != {n}))\n",
            n - 1
        );
    }
    assert!(in_time(&(text + &rule("r", "m99"))));
}

#[test]
fn long_chains_and_cycles_of_macros_end() {
    let mut chain = String::from("- macro: m0\n  condition: proc.pid = 1\n");
    for n in 1..5_000 {
        let _ = write!(
            chain,
            "- macro: m{n}\n  condition: (m{} or proc.pid = {n}) and proc.name = a{n}\n",
            n - 1
        );
    }
    assert!(!in_time(&(chain + &rule("r", "m4999"))));
    let mut cycle = String::new();
    for _ in 0..2 {
        for n in 0..500 {
            let _ = write!(cycle, "- macro: m{n}\n  condition: m{}\n", (n + 1) % 500);
        }
    }
    assert!(!in_time(&(cycle + &rule("r", "m0"))));
}

#[test]
fn lists_of_lists_do_not_blow_up() {
    let mut text = String::from("- list: l0\n  items: [a0]\n");
    for n in 1..5_000 {
        let _ = write!(text, "- list: l{n}\n  items: [l{0}, l{0}, a{n}]\n", n - 1);
    }
    in_time(&(text + &rule("r", "evt.type = execve and proc.name in (l4999)")));
}

#[test]
fn ten_megabytes_of_list_are_read_or_refused_in_time() {
    let mut text = String::from("- list: l\n  items:\n");
    let mut n = 0;
    while text.len() < 10 << 20 {
        let _ = writeln!(text, "    - an-item-that-is-as-long-as-a-path/{n}");
        n += 1;
    }
    assert!(in_time(
        &(text + &rule("r", "evt.type = execve and proc.name in (l)"))
    ));
}
