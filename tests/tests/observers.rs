//! Observers of a running sensor: what they see beyond the rules, and what they do not change.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;
use tests::{
    Bpftool, Sensor, Setup,
    observer::{Shell, Watching, door, watch},
    sensor::wait_for,
};

/// Execs in containers, with all that depends on other events: numbers and programs of ancestors.
const CONTAINERS: &str = "
- rule: Execs
  desc: Execs in containers.
  condition: evt.type = execve and container.id != host
  output: >
    %evt.num %proc.cmdline %proc.exepath %proc.cwd %proc.pid %proc.aname[2] %proc.pcmdline
    %proc.acmdline[2] %proc.aexepath[3] %user.name %container.id
  priority: INFO
";

/// Connects in containers alone.
const CONNECTS: &str = "
- rule: Connects
  desc: Connects in containers.
  condition: evt.type = connect and container.id != host
  output: '%evt.num %fd.name %proc.name %evt.res'
  priority: INFO
";

fn sensor(shell: &Shell, rules: &str) -> Sensor {
    let setup = Setup::watching(shell.pid()).rules(rules);
    setup.with_web_server().start()
}

/// The lines of a sensor without the time, which each sensor reads for itself.
fn lines(sensor: &Sensor) -> Vec<Value> {
    let line = |line: &String| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let is_event = line["source"] == "syscall";
        let line = line.as_object_mut().unwrap();
        for name in ["time", "output", "uuid"] {
            line.remove(name);
        }
        let fields = line["output_fields"].as_object_mut().unwrap();
        fields.remove("evt.time");
        is_event.then(|| Value::from(line.clone()))
    };
    sensor.lines().iter().filter_map(line).collect()
}

/// The value of a metric for execs; 0 if there is none.
fn of_execs(sensor: &Sensor, metric: &str, more: &str) -> u64 {
    let (_, page) = sensor.get("/metrics");
    let begin = format!("{metric}{{kind=\"exec\"{more}}}");
    let value = page.lines().find_map(|line| line.strip_prefix(&begin));
    value.map_or(0, |text| text.trim().parse().unwrap())
}

#[test]
fn an_observer_sees_more_than_the_rules_and_no_line_or_count_of_the_rules_changes() {
    const EACH: usize = 50;
    let mut shell = Shell::start();
    let alone = sensor(&shell, CONTAINERS);
    let watched = sensor(&shell, CONTAINERS);
    // Each sensor knows the cgroups before the observer comes.
    for place in ["out", "in"] {
        shell.run(place, "exec", 1, "first");
        alone.settle();
        watched.settle();
    }
    let filtered =
        |sensor: &Sensor| of_execs(sensor, "sensor_events_filtered_total", ",reason=\"host\"");
    let captured = |sensor: &Sensor| of_execs(sensor, "sensor_events_captured_total", "");
    let observer = Watching::start(watch(&watched, &["--host", "proc.name = true"]));
    observer.wait(&watched, || shell.run("out", "exec", 1, "begin"));
    let before = (filtered(&watched), captured(&watched));
    for round in 0..EACH {
        shell.run("out", "exec", 1, &format!("host-{round}"));
        shell.run("in", "exec", 1, &format!("container-{round}"));
    }
    for (round, event) in observer.events(EACH).iter().enumerate() {
        assert_eq!(event["proc.args"], format!("host-{round} 0"));
        assert_eq!(event["container.id"], "host");
        let parent = event["proc.pcmdline"].as_str().unwrap();
        assert!(parent.contains("while read"), "{parent}");
    }
    watched.settle();
    let now = (filtered(&watched), captured(&watched));
    assert_eq!(now.0, before.0, "the kernel left out no event of the host");
    assert!(now.1 >= before.1 + 2 * EACH as u64, "{before:?} {now:?}");

    // The kernel's filter is as before when the observer has gone.
    drop(observer);
    let said = || watched.stderr().contains("an observer has gone");
    assert!(wait_for(said), "{}", watched.stderr());
    let gone = || {
        let before = captured(&watched);
        shell.run("out", "exec", 1, "after");
        watched.settle();
        captured(&watched) == before
    };
    assert!(wait_for(gone));
    let before = (filtered(&watched), captured(&watched));
    shell.run("out", "exec", EACH, "last");
    watched.settle();
    let now = (filtered(&watched), captured(&watched));
    assert_eq!(now, (before.0 + EACH as u64, before.1));

    alone.settle();
    let (alone_lines, watched_lines) = (lines(&alone), lines(&watched));
    assert_eq!(watched_lines.len(), EACH + 1);
    assert_eq!(watched_lines, alone_lines);
    let (alone, watched) = (alone.stop(), watched.stop());
    let counts = |counters: tests::Counters<'_>| {
        counters.assert_complete();
        let filtered = ["filtered_host", "filtered_other"].map(|name| counters.kernel(name));
        let all = filtered.iter().sum::<u64>() + counters.user("filtered");
        let user = ["matched", "unmatched", "lines"].map(|name| counters.user(name));
        // Other trees of the machine are not of this test.
        let seen = counters.kernel("seen") - counters.kernel("filtered_tree");
        (seen, all, user, counters.lost())
    };
    assert_eq!(counts(watched.counters()), counts(alone.counters()));
}

#[test]
fn what_only_observers_want_uses_up_no_budget_of_the_rules() {
    const BURST: usize = 60;
    let mut shell = Shell::start();
    let setup = Setup::watching(shell.pid()).rules(CONNECTS);
    let sensor = setup
        .option("sensor.fairness.rate", 1)
        .option("sensor.fairness.burst", BURST)
        .with_web_server()
        .start();
    let condition = "proc.name = true and proc.args contains flood";
    let observer = Watching::start(watch(&sensor, &[condition]));
    observer.wait(&sensor, || shell.run("in", "exec", 1, "flood"));
    // Far more than a budget, in the cgroup whose connects the rules want.
    shell.run("in", "exec", 10 * BURST, "flood");
    shell.run("in", "connect", BURST / 2, "");
    sensor.settle();
    let lines = lines(&sensor);
    assert_eq!(lines.len(), BURST / 2, "{}", sensor.stderr());
    let unwatched = of_execs(&sensor, "sensor_events_unwatched_total", "");
    assert!(unwatched >= 8 * BURST as u64, "{unwatched}");
    let seen = sensor.stop();
    let counters = seen.counters();
    counters.assert_complete();
    assert_eq!(counters.lost(), 0, "{}", seen.stderr);
    assert!(
        seen.internal
            .iter()
            .all(|record| { record.0["rule"] != "Sensor internal: throttling" })
    );
}

#[test]
fn kinds_without_a_hook_are_named_and_come_after_a_reload_that_captures_them() {
    let mut shell = Shell::start();
    let sensor = sensor(&shell, CONTAINERS);
    let mut socket = UnixStream::connect(door(&sensor)).unwrap();
    socket.write_all(b"{\"version\":1}\n").unwrap();
    let mut greeting = String::new();
    BufReader::new(&socket).read_line(&mut greeting).unwrap();
    let greeting: Value = serde_json::from_str(&greeting).unwrap();
    assert_eq!(greeting["captured"], serde_json::json!(["exec"]));
    let names = |what: &str| {
        greeting[what]
            .as_array()
            .unwrap()
            .contains(&"connect".into())
    };
    assert!(names("not_captured"), "{greeting}");

    let of_the_shell = "evt.type = connect and fd.sport = 9";
    let observer = Watching::start(watch(&sensor, &["--host", of_the_shell]));
    let attached = || sensor.metric("sensor_observers ") >= 2.0;
    assert!(wait_for(attached), "{}", sensor.stderr());
    shell.run("out", "connect", 5, "");
    assert!(observer.next(Duration::from_secs(1)).is_none());
    let hooks = Bpftool::against(&sensor).ids("link_id");
    // The rules want connects of containers alone, and the observer those of the host.
    sensor.reload(CONNECTS);
    assert_ne!(Bpftool::against(&sensor).ids("link_id"), hooks);
    observer.wait(&sensor, || shell.run("out", "connect", 1, ""));
    shell.run("out", "connect", 5, "");
    let events = observer.events(5);
    assert!(
        events.iter().all(|event| event["fd.sport"] == 9),
        "{events:?}"
    );
    assert_eq!(lines(&sensor), [Value::Null; 0]);
    sensor.stop().counters().assert_complete();
}

/// How many eBPF programs, maps and links a process holds.
fn programs_of(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let is_one = |target: &Path| {
        target.starts_with("anon_inode:bpf") || target == Path::new("anon_inode:[perf_event]")
    };
    targets.filter(|target| is_one(target)).count()
}

#[test]
fn an_observer_loads_no_program_and_attaches_no_hook() {
    let mut shell = Shell::start();
    let sensor = sensor(&shell, CONTAINERS);
    let ids = || ["prog_id", "link_id"].map(|what| Bpftool::against(&sensor).ids(what));
    let before = (ids(), programs_of(sensor.pid()));
    assert!(before.0.iter().all(|ids| !ids.is_empty()), "{before:?}");
    let observer = Watching::start(watch(&sensor, &["proc.name = true"]));
    observer.wait(&sensor, || shell.run("out", "exec", 1, "mark"));
    assert_eq!((ids(), programs_of(sensor.pid())), before);
    assert_eq!(programs_of(observer.pid()), 0);
    drop(observer);
    sensor.stop().counters().assert_complete();
}

#[test]
fn an_observer_that_does_not_read_loses_its_own_events_and_costs_nobody_an_event() {
    const STORM: usize = 30_000;
    let rules = CONTAINERS.replace("container.id != host", "proc.name = true");
    let mut shell = Shell::start();
    let sensor = sensor(&shell, &rules);
    let mut silent = UnixStream::connect(door(&sensor)).unwrap();
    let wants = br#"{"version":1,"wants":{"host":["exec"],"container":["exec"]}}"#;
    silent.write_all(wants).unwrap();
    silent.write_all(b"\n").unwrap();
    let observer = Watching::start(watch(&sensor, &["proc.name = true"]));
    observer.wait(&sensor, || shell.run("out", "exec", 1, "mark"));
    let before = lines(&sensor).len();
    shell.run("out", "storm", STORM, "/bin/true");
    sensor.settle();
    assert_eq!(lines(&sensor).len() - before, STORM, "{}", sensor.stderr());
    assert_eq!(observer.events(STORM).len(), STORM);
    let lost = sensor.metric("sensor_observers_lost_events_total ");
    assert!(lost > 0.0, "the socket takes all of {STORM} events");
    drop(silent);
    let seen = sensor.stop();
    seen.counters().assert_complete();
    assert_eq!(seen.counters().lost(), 0, "{}", seen.stderr);
}
