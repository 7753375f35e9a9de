//! The engine evaluates no rule that cannot match, and every rule that can.

use super::{Program, netcat, rule, rules, with_event};
use crate::Scratch;

/// How many rules with these conditions the engine evaluates for an event.
fn looked_at(conditions: &[String], program: &Program) -> u32 {
    let mut text = String::new();
    for (number, condition) in conditions.iter().enumerate() {
        text += &rule(&format!("r{number}"), condition);
    }
    let set = rules(&text);
    with_event(program, |event| {
        let mut scratch = Scratch::default();
        set.evaluate(&mut scratch, event, &mut |_| {});
        scratch.looked_at()
    })
}

/// A thousand conditions, each with its number for `#`.
fn thousand(condition: &str) -> Vec<String> {
    let condition = format!("evt.type = execve and proc.pid > 1 and {condition}");
    let number = |n: u32| condition.replace('#', &n.to_string());
    (0..1000).map(number).collect()
}

#[test]
fn of_a_thousand_rules_that_cannot_match_none_is_looked_at() {
    for condition in [
        "proc.name = x#",
        "proc.name in (x#, y#)",
        "proc.exepath startswith /opt/app#/",
        "proc.exepath startswith anyof (/opt/app#/, /srv/#)",
        "proc.exepath endswith /app#",
        "proc.exepath pmatch (/tmp/#, /var/tmp/*/x#)",
        "proc.exepath glob /opt/app#/*",
        "proc.exepath regex /opt/app#/.*",
        "proc.cmdline contains secret#",
        "proc.cmdline icontains secret#",
        "proc.cmdline contains allof (secret#, x)",
        "proc.pid = 5000#",
        "proc.ppid in (5000#, 6000#)",
        "proc.aname = x#",
        "proc.aname startswith x#",
        "tolower(proc.name) startswith app#",
        "(proc.exepath startswith /opt/# or proc.name = x#)",
        "proc.tty != 0 and not proc.name = x#",
    ] {
        assert_eq!(looked_at(&thousand(condition), &netcat()), 0, "{condition}");
    }
}

#[test]
fn of_a_thousand_rules_the_one_that_can_match_is_looked_at() {
    for (condition, path) in [
        ("proc.exepath startswith /opt/app#/", "/opt/app77/tool"),
        ("proc.exepath endswith /tool#", "/opt/tool77"),
        ("proc.exepath pmatch (/opt/#)", "/opt/77/a"),
        ("proc.exepath glob /opt/a#/*", "/opt/a77/a"),
        ("proc.cmdline contains tool#", "/opt/tool977"),
    ] {
        let looked = looked_at(&thousand(condition), &Program::exec(path, &[]));
        assert!((1..=3).contains(&looked), "{condition}: {looked}");
    }
}

#[test]
fn rules_that_begin_alike_are_looked_at_when_that_is_true() {
    let condition = |n| format!("proc.tty = 0 and not proc.name = x{n}");
    let conditions: Vec<_> = (0..10).map(condition).collect();
    assert_eq!(looked_at(&conditions, &netcat()), 10);
}
