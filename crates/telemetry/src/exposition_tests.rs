//! Any tags, names and labels make a page that Prometheus takes: by a strict parser of the text
//! format, and by `promtool` where it is installed.

use std::{
    collections::{HashMap, HashSet},
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
};

use config::Config;
use falco_rules::Priority;
use proptest::prelude::*;

use crate::{Exposition, Identity, RuleLabel, Telemetry, catalog};

/// Name, labels and value of a sample.
type Sample = (String, Vec<(String, String)>, f64);

/// Reads a line of the text format as strictly as its description: one blank, no other.
fn sample(line: &str) -> Result<Sample, String> {
    let name_end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = Vec::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, value) = inside.split_once("=\"").ok_or("no label")?;
            if !is_name(label) || label.starts_with("__") {
                return Err(format!("label {label:?}"));
            }
            let (mut text, mut chars) = (String::new(), value.char_indices());
            let end = loop {
                match chars.next().ok_or("open quote")? {
                    (_, '\\') => match chars.next().ok_or("open escape")?.1 {
                        'n' => text.push('\n'),
                        c @ ('\\' | '"') => text.push(c),
                        c => return Err(format!("escape {c:?}")),
                    },
                    (at, '"') => break at + 1,
                    (_, c) => text.push(c),
                }
            };
            if text.contains('\0') {
                return Err("NUL".into());
            }
            labels.push((label.to_owned(), text));
            inside = &value[end..];
            if let Some(end) = inside.strip_prefix('}') {
                rest = end;
                break;
            }
            inside = inside.strip_prefix(',').ok_or("no comma")?;
        }
    }
    let number = rest.strip_prefix(' ').ok_or("no blank")?;
    let value = match number {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().map_err(|_| format!("value {number:?}"))?,
    };
    Ok((name.to_owned(), labels, value))
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// All samples of a page.
fn page(text: &str) -> Result<Vec<Sample>, String> {
    assert!(text.ends_with('\n'));
    let (mut types, mut seen, mut samples) = (HashMap::new(), HashSet::new(), Vec::new());
    let mut current = None;
    for line in text.split_terminator('\n') {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, _) = help.split_once(' ').ok_or("no help")?;
            current = Some(name.to_owned());
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').ok_or("no type")?;
            if types.insert(name.to_owned(), kind.to_owned()).is_some() {
                return Err(format!("{name} has two types"));
            }
            continue;
        }
        let (name, labels, value) = sample(line).map_err(|e| format!("{e}: {line:?}"))?;
        let family = current.as_ref().ok_or("no family")?;
        let suffix = name.strip_prefix(family.as_str()).ok_or("another family")?;
        let suffixes: &[&str] = match types[family].as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        if !is_name(&name) || !suffixes.contains(&suffix) {
            return Err(format!("{name} in {family}"));
        }
        let mut names: Vec<_> = labels.iter().map(|(label, _)| label).collect();
        names.sort();
        names.dedup();
        if names.len() != labels.len() {
            return Err(format!("a label twice: {line:?}"));
        }
        let mut sorted = labels.clone();
        sorted.sort();
        if !seen.insert((name.clone(), sorted)) {
            return Err(format!("a sample twice: {line:?}"));
        }
        samples.push((name, labels, value));
    }
    Ok(samples)
}

/// What `promtool` finds wrong; nothing where it is not installed.
fn promtool(text: &str) -> String {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = tool else {
        eprintln!("promtool is not installed: the parser of this test alone has checked the page");
        return String::new();
    };
    tool.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let done = tool.wait_with_output().unwrap();
    // Code 3: the page is valid, and lacks in style.
    match done.status.code() {
        Some(0 | 3) => String::new(),
        _ => String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

fn rendered(rules: Vec<RuleLabel>) -> String {
    let telemetry = Telemetry::new(Arc::new(Identity::new(&Config::default())));
    let count = rules.len();
    let table = telemetry.rules.load("syscall", rules);
    (0..count).for_each(|rule| table.matched(rule));
    telemetry.render()
}

fn rule(name: &str, tags: &[&str]) -> RuleLabel {
    RuleLabel {
        name: name.into(),
        state: "active",
        source: "syscall".into(),
        priority: Priority::Notice,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    }
}

#[test]
fn tags_that_become_one_label_are_one_label() {
    let text = rendered(vec![rule("r", &["cis-5.2", "cis_5_2", "cis 5 2"])]);
    assert!(
        text.contains("source=\"syscall\",tag_cis_5_2=\"true\"} 1\n"),
        "{text}"
    );
    page(&text).unwrap();
    assert_eq!(promtool(&text), "");
}

#[test]
fn odd_names_make_a_page_that_prometheus_takes() {
    let tags = [
        "",
        "é",
        "5",
        "__name__",
        "a\"b",
        "a\\",
        "a\nb",
        "a{b}",
        "\u{1f980}",
        "\r",
        "A",
        "a",
        "-",
        "_",
    ];
    let names = ["", "x\"y\\z\n", "é\r\t\u{0}", "r", "r", "{}", "# HELP x"];
    let text = rendered(names.iter().map(|name| rule(name, &tags)).collect());
    page(&text).unwrap();
    let mut exposition = Exposition::default();
    for label in ["", "__a", "5x", "é", "le", "a-b"] {
        exposition.add_with(
            &catalog::FALCO_RULES,
            &[(label, "v"), ("a_b", "w")],
            f64::INFINITY,
        );
        exposition.add_with(&catalog::RULE_MATCHES, &[(label, "v")], f64::NAN);
    }
    page(&exposition.render()).unwrap();
    assert_eq!(promtool(&text), "");
    assert_eq!(promtool(&exposition.render()), "");
}

#[test]
fn the_strict_parser_finds_what_prometheus_refuses() {
    let head = "# HELP a b\n# TYPE a counter\n";
    for line in [
        "a{b=\"c\",b=\"d\"} 1",
        "a{b-c=\"d\"} 1",
        "a{5=\"d\"} 1",
        "a{b=\"c} 1",
        "a{b=\"\\x\"} 1",
        "a{b=\"c\"}1",
        "a",
        "a 1\na 2",
        "a one",
        "b 1",
        "a{__x=\"y\"} 1",
    ] {
        assert!(page(&format!("{head}{line}\n")).is_err(), "{line}");
    }
    assert_eq!(page(&format!("{head}a{{b=\"c\"}} 1\n")).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn any_tags_and_names_make_a_valid_page(
        rules in proptest::collection::vec((any::<String>(), proptest::collection::vec(any::<String>(), 0..6)), 0..8),
    ) {
        let rules: Vec<_> = rules
            .iter()
            .map(|(name, tags)| rule(name, &tags.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        let names: HashSet<_> = rules.iter().map(|rule| rule.name.replace('\0', "\u{fffd}")).collect();
        let samples = page(&rendered(rules)).map_err(TestCaseError::fail)?;
        let shown: HashSet<_> = samples
            .iter()
            .filter(|(name, ..)| name == catalog::RULE_MATCHES.name)
            .map(|(_, labels, _)| labels[0].1.clone())
            .collect();
        prop_assert_eq!(shown, names);
    }

    #[test]
    fn any_labels_make_a_valid_page(
        labels in proptest::collection::vec(("[_a-c0-9-]{0,4}", ".*"), 0..6),
        value in any::<f64>(),
    ) {
        let mut exposition = Exposition::default();
        let labels: Vec<_> = labels.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        for _ in 0..2 {
            exposition.add_with(&catalog::FALCO_RULES, &labels, value);
        }
        let samples = page(&exposition.render()).map_err(TestCaseError::fail)?;
        prop_assert_eq!(samples.len(), 1);
    }
}
