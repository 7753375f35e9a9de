//! Execs in a real container.

use std::{collections::BTreeSet, fs};

use serde_json::json;
use tests::{Act, Container, Event, Scene, elf, programs};

#[test]
fn the_first_process_is_seen_as_the_container_sees_itself() {
    let scene = Scene::new();
    let container = Container::new(&scene, &["tool", "a"]);
    container.write("bin/tool", &elf::native());
    let seen = scene.act(container.run(Act::new()));
    seen.exec("tool").assert_fields(&json!({
        "container.id": container.short_id(),
        "proc.name": "tool",
        "proc.exepath": "/bin/tool",
        "proc.cmdline": "tool a",
        "proc.cwd": "/",
        "proc.vpid": 1,
    }));
}

#[test]
fn runc_itself_is_of_the_host() {
    let scene = Scene::new();
    let container = Container::new(&scene, &["tool"]);
    container.write("bin/tool", &elf::native());
    let seen = scene.act(container.run(Act::new()));
    let runc = seen
        .events
        .iter()
        .find(|event| event.field("proc.name") == "runc");
    let runc = runc.expect("runc was executed");
    assert_eq!(runc.text("container.id"), "host");
}

#[test]
fn twenty_thousand_execs_in_a_container_are_twenty_thousand_right_lines() {
    const EXECS: usize = 20_000;
    const WORKERS: usize = 2;
    let scene = Scene::new();
    let (workers, execs) = (WORKERS.to_string(), EXECS.to_string());
    let container = Container::new(
        &scene,
        &["storm", "execs", &workers, &execs, "/bin/tiny", "/tmp/log"],
    );
    container.add("bin/storm", &programs::built("storm"));
    container.write("bin/tiny", &elf::native());
    let rules = include_str!("../harness/src/default.yaml");
    let (seen, ..) = scene.act_under(container.run(Act::new()), |setup| setup.rules(rules));

    let events: Vec<_> = seen
        .events
        .iter()
        .filter(|event| event.field("proc.name") == "tiny")
        .collect();
    let all = seen.counters().all_or_skipped(EXECS, &["process_exec"]);
    assert!(
        all.contains(&events.len()),
        "{} lines; the sensor says:\n{}",
        events.len(),
        seen.stderr
    );
    let mut parents = Vec::new();
    for worker in 0..WORKERS {
        let log = fs::read_to_string(container.path(&format!("tmp/log.{worker}"))).unwrap();
        let pids: Vec<i64> = log.lines().map(|line| line.parse().unwrap()).collect();
        let prefix = format!("{worker} ");
        let of_worker: Vec<_> = events
            .iter()
            .filter(|event| event.text("proc.args").starts_with(&prefix))
            .collect();
        let round = |event: &Event| -> usize {
            let args = event.text("proc.args");
            args[prefix.len()..]
                .parse()
                .expect("the number of its round")
        };
        let rounds: BTreeSet<_> = of_worker.iter().map(|event| round(event)).collect();
        assert_eq!(rounds.len(), of_worker.len(), "each exec once");
        let parent = of_worker[0].number("proc.ppid");
        parents.push(parent);
        for event in of_worker {
            let round = round(event);
            event.assert_fields(&json!({
                "proc.args": format!("{worker} {round}"),
                "proc.cmdline": format!("tiny {worker} {round}"),
                "proc.exepath": "/bin/tiny",
                "proc.cwd": "/",
                "proc.vpid": pids[1 + round],
                "proc.ppid": parent,
                "proc.aname[1]": "storm",
                "proc.aname[2]": "storm",
                "container.id": container.short_id(),
                "user.uid": 0,
                "user.name": "root",
            }));
        }
    }
    assert_ne!(parents[0], parents[1]);
    assert_eq!(seen.counters().lost(), 0, "{}", seen.stderr);
}
