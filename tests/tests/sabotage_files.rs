//! Somebody changes the files that the sensor reads and writes.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tests::{Act, Event, Scene, Sensor, Setup, sensor::wait_for};

/// Steps that execute a program that many times, as `tool 0`, `tool 1`, ….
fn execs(scene: &Scene, count: u32) -> Act {
    let tool = scene.program("tool");
    let each = |act: Act, number: u32| {
        act.then("spawn", [&tool])
            .argv(["tool".to_owned(), number.to_string()])
    };
    (0..count).fold(Act::new(), each)
}

/// Points a symbolic link to another path, atomically.
fn repoint(link: &Path, to: &Path) {
    let other = link.with_extension("new");
    symlink(to, &other).expect("a link can be made");
    fs::rename(other, link).expect("a link can be renamed");
}

#[test]
fn a_symlink_swapped_under_the_log_path_leads_to_no_victim() {
    let scene = Scene::new();
    let (ours, theirs) = (scene.directory("ours"), scene.directory("theirs"));
    let victim = scene.path("victim");
    fs::write(&victim, "precious\n").expect("a file can be written");
    symlink(&victim, theirs.join("events.json")).expect("a link can be made");
    let link = scene.link("logs", &ours);

    let before = execs(&scene, 3).start();
    let sensor = Setup::watching(before.pid())
        .log_at(link.join("events.json"))
        .start();
    let _printed = before.go();
    sensor.settle();
    repoint(&link, &theirs);
    sensor.signal(Signal::USR1); // open it again: the link leads to the victim now
    thread::sleep(Duration::from_secs(1));
    assert_eq!(
        fs::read_to_string(&victim).expect("it is there"),
        "precious\n"
    );
    let stderr = sensor.stderr();
    assert!(stderr.contains("symbolic link"), "{stderr}");

    repoint(&link, &ours);
    sensor.signal(Signal::USR1);
    let seen = sensor.stop();
    assert_eq!(seen.events.len(), 3, "{}", seen.stderr);
    assert_eq!(seen.counters().output("dropped"), 0, "{}", seen.stderr);
    assert_eq!(
        fs::read_to_string(&victim).expect("it is there"),
        "precious\n"
    );
}

/// A rule with its own name in its output.
fn rules(name: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: evt.type = execve\n  priority: INFO\n  \
         output: rule={name} %proc.name %proc.cmdline\n"
    )
}

fn log_has(sensor: &Sensor, text: &str) -> bool {
    sensor.stderr().contains(text)
}

#[test]
fn rules_replaced_while_they_are_read_are_the_old_or_the_new_ones() {
    let scene = Scene::new();
    let actor = execs(&scene, 1).start();
    let sensor = Setup::watching(actor.pid()).rules(&rules("Old")).start();
    let file = sensor.rules_file();
    let half = rules("Half").replace("condition: evt.type = execve", "condition: evt.type = (");
    let end = Instant::now() + Duration::from_secs(3);
    let mut turn = 0_usize;
    while Instant::now() < end {
        // In place, so that a reader can see any part of it; and by rename.
        let text = [
            rules("A"),
            half.clone(),
            String::new(),
            rules("B") + &"#".repeat(60_000),
        ];
        let text = &text[turn % 4];
        if turn.is_multiple_of(2) {
            fs::write(&file, text).expect("a file can be written");
        } else {
            let other = file.with_extension("new");
            fs::write(&other, text).expect("a file can be written");
            fs::rename(other, &file).expect("a file can be renamed");
        }
        sensor.signal(Signal::HUP);
        turn += 1;
        thread::sleep(Duration::from_millis(3));
    }
    assert!(log_has(&sensor, "not reloaded"), "{}", sensor.stderr());
    fs::write(&file, rules("Last")).expect("a file can be written");
    let reloads = |sensor: &Sensor| sensor.stderr().matches(" reloaded").count();
    let before = reloads(&sensor);
    sensor.signal(Signal::HUP);
    assert!(
        wait_for(|| reloads(&sensor) > before),
        "{}",
        sensor.stderr()
    );
    thread::sleep(Duration::from_millis(300));

    let _printed = actor.go();
    let seen = sensor.stop();
    let rule = |event: &Event| event.0["rule"] == "Last";
    assert!(
        !seen.events.is_empty() && seen.events.iter().all(rule),
        "{seen:#?}"
    );
    seen.counters().assert_complete();
}
