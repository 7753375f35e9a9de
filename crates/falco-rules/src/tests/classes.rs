//! Facts about classes of events, and what users of the engine learn from them.

use std::collections::BTreeSet;

use super::{
    matches, netcat,
    programs::{Act, Program},
    rule, rules, verdict,
};
use crate::{Activity, Classes, Fact, Facts, Options, Value};

const EXEC: usize = 0;
const EXEC_FAILED: usize = 1;
const CONNECT: usize = 2;

#[test]
fn a_condition_says_which_classes_can_match() {
    for (condition, expected) in [
        ("evt.type = execve", [true, true, false]),
        ("evt.type = execveat", [false, true, false]),
        (
            "evt.type = execve and evt.failed = false",
            [true, false, false],
        ),
        ("fd.sip = 10.0.0.1", [false, false, true]),
        ("len(proc.args) > 1", [true, true, false]),
        ("evt.type = openat", [false; 3]),
        ("proc.pid > 0", [true; 3]),
    ] {
        let set = rules(&rule("r", condition));
        let found = [EXEC, EXEC_FAILED, CONNECT].map(|class| set.can_match(class));
        assert_eq!(found, expected, "{condition}");
    }
}

#[test]
fn more_facts_can_exclude_a_match() {
    let set = rules(&rule(
        "r",
        "evt.type = connect and not fd.snet in (10.0.0.0/8)",
    ));
    let addresses = |first: &str, last: &str| {
        let range = Fact::addresses(first.parse().unwrap(), last.parse().unwrap());
        Facts::default().with("fd.snet", range)
    };
    assert!(!set.can_match_if(CONNECT, &addresses("10.1.0.0", "10.1.255.255")));
    assert!(set.can_match_if(CONNECT, &addresses("9.0.0.0", "10.0.0.0")));
    let absent = Facts::default().with("fd.snet", Fact::Is(Value::Absent));
    assert!(set.can_match_if(CONNECT, &absent));
    assert!(!set.can_match_if(EXEC, &absent));
}

#[test]
fn requirements_are_what_is_left_of_conditions_and_outputs() {
    let text = rule(
        "r",
        "(evt.type = connect and fd.sip = 10.0.0.1) or (evt.type = execve and proc.name = x)",
    )
    .replace("output: o", "output: '%proc.aname[2]'");
    let set = rules(&text);
    let asked = |class| {
        let mut keys = BTreeSet::new();
        set.fields(class, &mut |field| {
            keys.insert(field.key.to_string());
        });
        Vec::from_iter(keys)
    };
    assert_eq!(asked(EXEC), ["proc.aname[2]", "proc.name"]);
    assert_eq!(asked(CONNECT), ["fd.sip", "proc.aname[2]"]);
}

#[test]
fn the_constants_of_which_a_field_must_have_one_are_reported() {
    let constants = |condition: &str| {
        let set = rules(&rule("r", condition));
        let classes = Classes::one(CONNECT);
        set.constants(classes, "proc.name", |text| match text {
            "?" => None,
            "nobody" => Some(Vec::new()),
            text => Some(vec![text.to_owned()]),
        })
    };
    let these = |names: &[&str]| -> Option<BTreeSet<String>> {
        Some(names.iter().map(ToString::to_string).collect())
    };
    assert_eq!(constants("evt.type = connect"), None);
    assert_eq!(constants("proc.name = a and fd.sip exists"), these(&["a"]));
    assert_eq!(
        constants("proc.name = a or proc.name in (b, nobody)"),
        these(&["a", "b"])
    );
    assert_eq!(constants("proc.name = a or proc.name = \"?\""), None);
    assert_eq!(constants("not proc.name = a"), None);
    assert_eq!(constants("evt.type = execve and proc.pid = 1"), these(&[]));
}

#[test]
fn addresses_and_networks_are_compared() {
    let connect = Program {
        act: Act::Connect {
            local: [10, 1, 2, 3].into(),
            remote: [93, 184, 216, 34].into(),
        },
        ..netcat()
    };
    for (condition, expected) in [
        ("fd.sip = 93.184.216.34", true),
        ("fd.sip in (1.1.1.1, 93.184.216.34)", true),
        ("fd.snet in (93.184.0.0/16)", true),
        ("fd.snet != 10.0.0.0/8", true),
        ("fd.ip = 10.1.2.3", true),
        ("fd.ip != 10.1.2.3", false),
        ("fd.ip != 10.9.9.9", true),
        ("proc.args exists", false),
    ] {
        assert_eq!(verdict(condition, &connect), expected, "{condition}");
    }
}

#[test]
fn an_event_is_compared_whatever_is_known_of_its_class() {
    let failed = Program {
        act: Act::ExecFailed,
        ..netcat()
    };
    for (condition, expected) in [
        ("evt.type = execve", true),
        ("evt.type = execveat", false),
        ("evt.failed = true", true),
        ("evt.type = execve and evt.failed = false", false),
        ("evt.failed = true or evt.type = connect", true),
    ] {
        assert_eq!(verdict(condition, &failed), expected, "{condition}");
    }
}

#[test]
fn rules_that_cannot_match_are_inactive_with_the_reason() {
    let inactive = |reason: &str| Activity::Inactive(Box::new([reason.into()]));
    let partly = |reason: &str| Activity::Partly(Box::new([reason.into()]));
    for (condition, expected) in [
        ("evt.type = execve", Activity::Active),
        (
            "evt.type in (open, openat)",
            inactive("no events of types open, openat"),
        ),
        (
            "evt.type in (connect, sendto)",
            partly("no events of type sendto"),
        ),
        (
            "evt.type = execve and fd.directory = /etc",
            inactive("field fd.directory never has a value here"),
        ),
        (
            "evt.type = execve and evt.type = connect",
            inactive("its condition is never true"),
        ),
    ] {
        let set = rules(&rule("r", condition));
        assert_eq!(set.info()[0].activity, expected, "{condition}");
    }
}

#[test]
fn a_rule_of_another_source_is_loaded_and_inactive() {
    let text = rule("r", "ka.verb = create") + "  source: k8s_audit\n" + &rule("s", "proc.pid > 0");
    let set = rules(&text);
    let reason = "no event source 'k8s_audit'";
    assert_eq!(
        set.info()[0].activity,
        Activity::Inactive(Box::new([reason.into()]))
    );
    assert_eq!(matches(&set, &netcat()), ["s"]);
    let report =
        super::compile(&[crate::RuleFile::new("r.yaml", text)], &Options::default()).report;
    assert!(report.text().contains("unknown event source 'k8s_audit'"));
}
