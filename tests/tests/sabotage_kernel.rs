//! Somebody with bpftool tries to blind the sensor; and the self-test, which proves that it sees.

use std::{fs, process::Command, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tests::{
    Act, Bpftool, Cgroup, Event, Scene, Sensor, Setup, container, programs, sensor::wait_for,
};

const TAMPERING: &str = "Sensor internal: tampering";
const NOT_PERMITTED: &str = "Error: update failed: Operation not permitted";
const MAY_WRITE: &str = "root may write to a map that is not frozen";

fn records(seen: &tests::Seen, rule: &str) -> usize {
    let is_it = |event: &&Event| event.0["rule"] == rule;
    seen.internal.iter().filter(is_it).count()
}

#[test]
fn settings_that_somebody_rewrites_are_noticed_counted_and_undone() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let actor = Act::new().exec(&tool, ["tool"]).start();
    let sensor = Setup::watching(actor.pid()).with_web_server().start();
    let bpftool = Bpftool::against(&sensor);
    let map = bpftool.map("SETTINGS");
    let [[key, was]] = bpftool.entries(&map).try_into().expect("one entry");
    let blind = was.split(' ').map(|_| "00").collect::<Vec<_>>().join(" ");
    bpftool.update(&map, &key, &blind).expect(MAY_WRITE);
    assert!(
        wait_for(|| bpftool.entries(&map)[0][1] == was),
        "the settings stay blind:\n{}",
        sensor.stderr()
    );
    assert!(wait_for(|| {
        sensor.metric("sensor_tampering_total{what=\"settings\"}") >= 1.0
    }));
    let _printed = actor.go();
    let seen = sensor.stop();
    seen.counters().assert_complete();
    let _ = seen.exec("tool");
    assert_eq!(records(&seen, TAMPERING), 1, "{seen:#?}");
}

#[test]
fn a_container_that_somebody_declares_the_host_is_a_container_again() {
    let cgroup = Cgroup::new(&format!("docker-{}.scope", container::id()));
    let scene = Scene::new();
    let tool = scene.program("tool");
    let inside = |argument: &str| {
        Act::new()
            .just("fork")
            .then("enter-cgroup", [cgroup.procs()])
            .exec(&tool, ["tool", argument])
    };
    let actor = inside("first").start();
    let sensor = Setup::watching(actor.pid()).with_web_server().start();
    let _printed = actor.go();
    let bpftool = Bpftool::against(&sensor);
    let map = bpftool.map("CGROUPS");
    let container = || {
        let entries = bpftool.entries(&map);
        entries
            .into_iter()
            .find(|[_, class]| class == "02 00 00 00")
    };
    assert!(wait_for(|| container().is_some()), "{}", sensor.stderr());
    let [key, class] = container().expect("it is there");
    bpftool.update(&map, &key, "01 00 00 00").expect(MAY_WRITE);
    let stranger = ["ab"; 16].join(" ");
    bpftool
        .update(&map, &stranger, "01 00 00 00")
        .expect(MAY_WRITE);
    let is_right = || {
        let entries = bpftool.entries(&map);
        entries.contains(&[key.clone(), class.clone()])
            && !entries.iter().any(|[key, _]| *key == stranger)
    };
    assert!(wait_for(is_right), "{}", sensor.stderr());
    assert!(wait_for(|| {
        sensor.metric("sensor_tampering_total{what=\"cgroups\"}") >= 2.0
    }));
    let seen = sensor.stop();
    assert_eq!(records(&seen, TAMPERING), 1, "{seen:#?}");
}

#[test]
fn a_process_that_somebody_takes_off_the_names_is_wanted_again() {
    let rules = "- rule: r\n  desc: d\n  priority: DEBUG\n  condition: evt.type = connect and proc.name = curl\n  output: '%fd.name'\n";
    let sensor = Setup::watching(std::process::id())
        .rules(rules)
        .with_web_server()
        .start();
    let bpftool = Bpftool::against(&sensor);
    let map = bpftool.map("NAMES");
    let before = bpftool.entries(&map);
    let [[curl, one]] = before.as_slice() else {
        panic!("one name: {before:?}");
    };
    let stranger = curl.replacen("63", "64", 1);
    bpftool.update(&map, &stranger, one).expect(MAY_WRITE);
    let mut delete = vec!["map", "delete", "id", &map, "key", "hex"];
    delete.extend(curl.split(' '));
    bpftool.run(&delete).expect(MAY_WRITE);
    assert_ne!(bpftool.entries(&map), before);
    assert!(
        wait_for(|| bpftool.entries(&map) == before),
        "{}",
        sensor.stderr()
    );
    assert!(wait_for(|| {
        sensor.metric("sensor_tampering_total{what=\"settings\"}") >= 1.0
    }));
    assert_eq!(records(&sensor.stop(), TAMPERING), 1);
}

#[test]
fn nobody_can_write_the_maps_that_only_ebpf_programs_write() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let actor = Act::new().exec(&tool, ["tool"]).start();
    let sensor = Setup::watching(actor.pid()).start();
    let bpftool = Bpftool::against(&sensor);
    // The mark of a process whose program rules want: without the mark its connects are filtered.
    let images = bpftool.map("IMAGES");
    let entries = bpftool.entries(&images);
    let marked = entries
        .iter()
        .find_map(|[key, image]| Some((key, image.strip_suffix("01 00 00 00")?)));
    let (key, image) = marked.expect("the observed process is marked");
    let refused = bpftool.update(&images, key, &format!("{image}00 00 00 00"));
    assert_eq!(refused, Err(NOT_PERMITTED.to_owned()));
    // The time until which the budget of a cgroup is used up.
    let budgets = bpftool.map("BUDGETS");
    let never = ["ff"; 8].join(" ");
    let refused = bpftool.update(&budgets, &["ab"; 16].join(" "), &never);
    assert_eq!(refused, Err(NOT_PERMITTED.to_owned()));
    let _printed = actor.go();
    let _ = sensor.stop().exec("tool");
}

#[test]
fn the_kernel_detaches_no_link_for_others() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let actor = Act::new().exec(&tool, ["tool"]).start();
    let sensor = Setup::watching(actor.pid()).start();
    let bpftool = Bpftool::against(&sensor);
    let links = bpftool.ids("link_id");
    assert!(!links.is_empty(), "forks and execs are hooked");
    for link in links {
        let refused = bpftool.run(&["link", "detach", "id", &link]);
        let error = refused.expect_err("the kernel detaches a link");
        assert!(error.contains("not supported"), "link {link}: {error}");
    }
    let _printed = actor.go();
    let _ = sensor.stop().exec("tool");
}

/// A sensor with frequent self-tests that writes every exec of the machine.
fn testing_itself() -> Sensor {
    Setup::of_the_machine()
        .option("sensor.self_test.enabled", true)
        .option("sensor.self_test.interval", "100ms")
        // As in production: on a busy machine an exec can take longer than a second to come back.
        .option("sensor.self_test.timeout", "5s")
        .with_web_server()
        .start()
}

/// The helper of a sensor, its only child.
fn helper(sensor: &Sensor) -> Pid {
    let pid = sensor.pid();
    let find = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let children = tasks.flatten().map(|task| task.path().join("children"));
        let text: String = children
            .filter_map(|path| fs::read_to_string(path).ok())
            .collect();
        Pid::from_raw(text.split_whitespace().next()?.parse().ok()?)
    };
    find().expect("the sensor has a helper")
}

#[test]
fn the_self_test_makes_the_sensor_ready_and_is_counted_and_is_no_event() {
    let sensor = testing_itself();
    let _ = sensor.wait_for_readiness(200);
    let (own, helper) = (sensor.pid(), helper(&sensor));
    let passed = || sensor.metric("sensor_self_tests_total{outcome=\"passed\"}");
    assert!(wait_for(|| passed() >= 5.0), "{}", sensor.stderr());
    let seen = sensor.stop();
    seen.counters().assert_complete();
    // Other sensors on the machine have helpers too, whose execs are events for this sensor.
    let is_own = |event: &&Event| {
        event.number("proc.ppid") == i64::from(own)
            || event.number("proc.pid") == i64::from(helper.as_raw_nonzero().get())
    };
    let lines: Vec<_> = seen.events.iter().filter(is_own).collect();
    assert!(lines.is_empty(), "{lines:#?}");
}

#[test]
fn the_sensor_is_not_ready_until_a_self_test_comes_back() {
    let sensor = testing_itself();
    let _ = sensor.wait_for_readiness(200);
    let helper = helper(&sensor);
    kill_process(helper, Signal::STOP).expect("it runs");
    let body = sensor.wait_for_readiness(503);
    assert!(
        body.contains("self_test_passed") && body.contains("did not come back"),
        "{body}"
    );
    assert!(sensor.metric("sensor_self_tests_total{outcome=\"failed\"}") >= 1.0);
    kill_process(helper, Signal::CONT).expect("it is there");
    let _ = sensor.wait_for_readiness(200);
    let seen = sensor.stop();
    assert_eq!(records(&seen, "Sensor internal: self-test"), 1, "{seen:#?}");
}

#[test]
fn the_sensor_is_not_ready_after_somebody_killed_its_helper() {
    let sensor = testing_itself();
    let _ = sensor.wait_for_readiness(200);
    kill_process(helper(&sensor), Signal::KILL).expect("it runs");
    let _ = sensor.wait_for_readiness(503);
    thread::sleep(Duration::from_millis(300));
    assert!(
        sensor.stderr().contains("self-test did not come back"),
        "{}",
        sensor.stderr()
    );
    drop(sensor.stop());
}

#[test]
fn the_self_test_works_in_a_pid_namespace_of_its_own() {
    let name = format!("sensor.instance=nested-{}", std::process::id());
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc"])
        .arg(programs::sensor())
        .args(["-r", "built-in/execve.yaml", "-M", "3", "-o", &name])
        .args(["-o", "sensor.state_dir="])
        .args([
            "-o",
            "webserver.enabled=false",
            "-o",
            "sensor.kube.enabled=false",
        ])
        .args([
            "-o",
            "sensor.self_test.enabled=true",
            "-o",
            "log_syslog=false",
        ])
        .output()
        .expect("unshare runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains(": ready"), "{log}");
    assert!(!log.contains("self-test"), "{log}");
}
