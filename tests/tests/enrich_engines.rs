//! Containers of a real Docker and of a real Podman: each has its name, image and all else from the
//! first exec on.

use std::{collections::BTreeSet, thread};

use harness::sensor::wait_for;
use serde_json::json;
use tests::{
    Event, Seen, Sensor, Setup,
    engine::{Engine, IMAGE, Kind},
};

const RULES: &str = "
- rule: Exec in a container
  desc: All that runtimes know.
  condition: evt.type = execve and evt.failed = false and container.id != host
  priority: DEBUG
  output: >-
    %container.id %container.name %container.type %container.image %container.image.repository
    %container.image.tag %container.image.id %container.privileged %container.mounts
    %container.label[of] %container.host_network %container.host_pid %proc.cmdline %user.name
";

/// Number of containers; `SENSOR_TEST_CONTAINERS=200` for the number of the promise.
fn containers() -> usize {
    std::env::var("SENSOR_TEST_CONTAINERS").map_or(12, |n| n.parse().expect("a number"))
}

fn sensor(engine: &Engine, kind: Kind) -> Sensor {
    let sensor = Setup::of_the_machine()
        .rules(RULES)
        // A busy machine starts six engines at once.
        .option("sensor.hold.timeout", "15s")
        .option(&format!("sensor.{}.enabled", kind.name()), "true")
        .option(
            &format!("sensor.{}.sockets", kind.name()),
            format!("[{}]", engine.socket().display()),
        )
        .start();
    connected(&sensor, kind, 1);
    sensor
}

/// Waits until the sensor has connected that often.
fn connected(sensor: &Sensor, kind: Kind, times: usize) {
    let said = format!("{} answers on", kind.name());
    let is_so = || sensor.stderr().matches(&said).count() >= times;
    assert!(wait_for(is_so), "{}", sensor.stderr());
}

/// The first exec of a container: the argument behind its command is its name.
fn first<'a>(seen: &'a Seen, name: &str) -> &'a Event {
    let marked = format!(" {name}");
    let of = |event: &&Event| event.text("proc.cmdline").ends_with(&marked);
    let Some(event) = seen.events.iter().find(of) else {
        panic!("no event of {name}: {}", seen.stderr);
    };
    event
}

fn assert_named(seen: &Seen, kind: Kind, name: &str) {
    let event = first(seen, name);
    // Podman gives a name of a local image a host.
    let repository = match kind {
        Kind::Docker => "bed/tools",
        Kind::Podman => "localhost/bed/tools",
    };
    event.assert_fields(&json!({
        "container.name": name,
        "container.type": kind.name(),
        "container.image": format!("{repository}:1"),
        "container.image.repository": repository,
        "container.image.tag": "1",
    }));
}

/// Runs containers of 50 ms, four at a time.
fn run_short(engine: &Engine, names: &[String]) {
    thread::scope(|scope| {
        for worker in 0..4 {
            let own = names.iter().skip(worker).step_by(4);
            scope.spawn(move || {
                for name in own {
                    engine.container(name, &["/bin/sh", "-c", "/bin/sleep 0.05", "sh", name]);
                }
            });
        }
    });
}

/// Names of containers. Each runtime has names of its own, since each sensor sees the whole machine.
fn names(kind: Kind, of: &str, count: usize) -> Vec<String> {
    let name = |n| format!("{}-{of}-{n}", kind.name());
    (0..count).map(name).collect()
}

fn short_containers_are_all_named(kind: Kind) {
    let Some(engine) = Engine::start(kind) else {
        return;
    };
    let sensor = sensor(&engine, kind);
    let names = names(kind, "short", containers());
    run_short(&engine, &names);
    let seen = sensor.stop();
    seen.counters().assert_complete();
    for name in &names {
        assert_named(&seen, kind, name);
    }
    println!("{}: {} of {} named", kind.name(), names.len(), names.len());
}

#[test]
fn short_containers_of_docker_are_all_named() {
    short_containers_are_all_named(Kind::Docker);
}

#[test]
fn short_containers_of_podman_are_all_named() {
    short_containers_are_all_named(Kind::Podman);
}

fn what_the_runtime_knows_is_in_the_fields(kind: Kind) {
    let Some(engine) = Engine::start(kind) else {
        return;
    };
    let name = |of: &str| format!("{}-{of}", kind.name());
    let (before_name, strong) = (name("before"), name("strong"));
    let before = [
        "run",
        "-d",
        "--name",
        &before_name,
        "--network=none",
        "--label",
        "of=test",
    ];
    let mount = ["-v", "/tmp:/data:ro", IMAGE, "/bin/sleep", "1000"];
    engine.run(&[&before[..], &mount].concat());
    let sensor = sensor(&engine, kind);
    engine.run(&[
        "exec",
        &before_name,
        "/bin/sh",
        "-c",
        "/bin/true",
        "sh",
        &before_name,
    ]);
    // Docker gives a privileged container all capabilities, which not every test machine has.
    let privileged = match kind {
        Kind::Docker => "--privileged=false",
        Kind::Podman => "--privileged",
    };
    let options = ["run", "--rm", "--name", &strong, privileged, "--pid=host"];
    let command = [IMAGE, "/bin/sh", "-c", "/bin/true", "sh", &strong];
    engine.run(&[&options[..], &["--network=host"], &command].concat());
    let seen = sensor.stop();
    assert_named(&seen, kind, &before_name);
    let (mode, propagation) = match kind {
        Kind::Docker => ("ro", "rslave"),
        Kind::Podman => ("", "rprivate"),
    };
    first(&seen, &before_name).assert_fields(&json!({
        "container.privileged": false,
        "container.host_pid": false,
        "container.label[of]": "test",
        "container.mounts": format!("/tmp:/data:{mode}:false:{propagation}"),
        "user.name": "root",
    }));
    assert_named(&seen, kind, &strong);
    first(&seen, &strong).assert_fields(&json!({
        "container.privileged": kind == Kind::Podman,
        "container.host_pid": true,
        "container.host_network": true,
        "container.mounts": "",
    }));
}

#[test]
fn what_docker_knows_is_in_the_fields() {
    what_the_runtime_knows_is_in_the_fields(Kind::Docker);
}

#[test]
fn what_podman_knows_is_in_the_fields() {
    what_the_runtime_knows_is_in_the_fields(Kind::Podman);
}

fn containers_are_named_while_the_runtime_restarts(kind: Kind) {
    let Some(engine) = Engine::start(kind) else {
        return;
    };
    let long = ["run", "-d", "--name", "long", "--network=none", IMAGE];
    let loops = "while :; do /bin/sleep 0.1; done";
    let id = engine.run(&[&long[..], &["/bin/sh", "-c", loops]].concat());
    let sensor = sensor(&engine, kind);
    for round in 1..=3 {
        engine.stop();
        engine.start_again();
        run_short(&engine, &names(kind, &format!("round{round}"), 4));
        connected(&sensor, kind, 1 + round);
    }
    let seen = sensor.stop();
    seen.counters().assert_complete();
    for round in 1..=3 {
        for name in names(kind, &format!("round{round}"), 4) {
            assert_named(&seen, kind, &name);
        }
    }
    let of_long = seen
        .events
        .iter()
        .filter(|event| event.text("container.id") == &id[..12]);
    let names: BTreeSet<_> = of_long.map(|event| event.text("container.name")).collect();
    assert_eq!(names, BTreeSet::from(["long"]), "it went on all the time");
}

#[test]
fn containers_are_named_while_docker_restarts() {
    containers_are_named_while_the_runtime_restarts(Kind::Docker);
}

#[test]
fn containers_are_named_while_podmans_service_restarts() {
    containers_are_named_while_the_runtime_restarts(Kind::Podman);
}
