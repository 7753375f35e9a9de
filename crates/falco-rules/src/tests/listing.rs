//! `-V`, `-L`, `-l`.

use super::{Options, RuleFile, compile, rule, rules};

#[test]
fn validation_prints_the_messages_of_falco() {
    let files = [
        RuleFile::new("good.yaml", rule("r", "evt.type = execve")),
        RuleFile::new("odd.yaml", rule("s", "proc.name = x")),
        RuleFile::new(
            "bad.yaml",
            rule("t", "evt.type = execve and proc.nmae = x") + "  tag: x\n",
        ),
    ];
    let report = compile(&files, &Options::default()).report;
    assert!(!report.is_ok());
    assert_eq!(
        report.text(),
        "\
good.yaml: Ok
odd.yaml: Ok, with warnings
1 Warnings:
In rules content: (odd.yaml:0:0)
    rule 's': (odd.yaml:3:15)
    condition expression: (odd.yaml:3:15)
------
  condition: 'proc.name = x'
              ^
------
LOAD_NO_EVTTYPE (Condition has no event-type restriction): the condition has no event type: it is for events of all types; begin it with 'evt.type = execve and', or set 'warn_evttypes: false'
bad.yaml: Invalid
1 Errors:
In rules content: (bad.yaml:0:0)
    rule 't': (bad.yaml:3:37)
    condition expression: (bad.yaml:3:37)
------
  condition: 'evt.type = execve and proc.nmae = x'
                                    ^
------
LOAD_ERR_COMPILE_CONDITION (Error compiling condition): unknown field 'proc.nmae'; did you mean 'proc.name'?
1 Schema warnings:
bad.yaml:6:3: warning: unknown key 'tag' in rule 't'
  6 |   tag: x
    |   ^^^
  help: did you mean 'tags'?
"
    );
}

#[test]
fn validation_as_json_has_falcos_keys_in_order() {
    let files = [RuleFile::new(
        "bad.yaml",
        rule("t", "evt.type = execve and proc.nmae = x"),
    )];
    let report = compile(&files, &Options::default()).report;
    assert_eq!(
        report.json().to_string(),
        r#"{"falco_load_results":[{"errors":[{"code":"LOAD_ERR_COMPILE_CONDITION","codedesc":"Error compiling condition","context":{"locations":[{"item_name":"t","item_type":"rule","position":{"column":37,"line":3,"name":"bad.yaml","offset":56}}],"snippet":"  condition: 'evt.type = execve and proc.nmae = x'\n                                    ^"},"message":"unknown field 'proc.nmae'"}],"name":"bad.yaml","schema_valid":true,"schema_warnings":[],"successful":false,"warnings":[]}]}"#
    );
}

#[test]
fn the_list_says_which_rules_cannot_match_and_why() {
    let set = rules(
        &(rule("active", "evt.type = execve")
            + &rule("files", "evt.type = openat")
            + &rule("off", "evt.type = execve")
            + "  enabled: false\n"),
    );
    let pad = |text: &str| format!("{text:<50}");
    assert_eq!(
        set.list_text(),
        format!(
            "{} Description\n{} -----------\n{} d\n{} d\n{} d\n\n{} State            Why\n{} -----            ---\n{} inactive         no events of type openat\n{} off              \n",
            pad("Rule"),
            pad("----"),
            pad("active"),
            pad("files"),
            pad("off"),
            pad("Rule"),
            pad("----"),
            pad("files"),
            pad("off"),
        )
    );
}

#[test]
fn the_tally_and_the_remarks_say_what_cannot_match_and_what_is_never_printed() {
    let text = rule("active", "evt.type = execve")
        + &rule("files", "evt.type = openat and fd.directory = /etc")
        + &rule("both", "evt.type in (execve, openat)")
        + &rule("off", "evt.type = openat")
        + "  enabled: false\n"
        + &rule("prints", "evt.type = connect").replace("output: o", "output: '%fd.directory'");
    let set = rules(&text);
    assert_eq!(
        set.tally().to_string(),
        "5 rules from 1 file: 2 active, 1 partly, 1 inactive, 1 off"
    );
    assert_eq!(
        set.remarks().collect::<Vec<_>>(),
        [
            "rule 'files' is inactive: no events of type openat; field fd.directory never has a value here",
            "rule 'both' is partly active: no events of type openat",
            "rule 'prints' prints fd.directory, which never has a value here",
        ]
    );
    assert_eq!(rules("[]").tally().to_string(), "0 rules from 1 file");
    let set = rules(&rule(
        "r",
        "evt.type in (execve, execveat) and fd.sip = 10.0.0.1",
    ));
    assert_eq!(
        set.remarks().collect::<Vec<_>>(),
        [
            "rule 'r' is inactive: field fd.sip never has a value in events of types execve, execveat"
        ]
    );
    let set = rules(&rule("r", "evt.type = execve"));
    assert_eq!(set.tally().to_string(), "1 rule from 1 file: 1 active");
    assert_eq!(set.remarks().count(), 0);
}

#[test]
fn one_rule_is_described() {
    let text = "- list: l\n  items: [a, 'b c']\n- macro: m\n  condition: proc.name in (l)\n"
        .to_owned()
        + &rule("r", "evt.type = execve and not m").replace("output: o", "output: '%proc.name'");
    let set = rules(&text);
    let json = set.describe_json("r").unwrap();
    let details = &json["rules"][0]["details"];
    assert_eq!(
        details["condition_compiled"],
        "(evt.type = execve and not proc.name in (a, \"b c\"))"
    );
    assert_eq!(details["events"], serde_json::json!(["execve", "execveat"]));
    assert_eq!(details["macros"], serde_json::json!(["m"]));
    assert_eq!(details["lists"], serde_json::json!(["l"]));
    assert_eq!(details["output_fields"], serde_json::json!(["proc.name"]));
    assert!(
        set.describe_text("r")
            .unwrap()
            .contains("Condition compiled   (evt.type")
    );
    assert!(set.describe_text("s").is_none());
    assert_eq!(set.list_json()["rules"][0]["info"]["priority"], "Debug");
}
