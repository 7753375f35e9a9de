//! Reloads of a sensor after its lock-down.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use tests::{
    Act, Event, Scene, Sensor, Setup,
    act::Actor,
    connects::{RULES, tcp},
    sensor::wait_for,
};

/// Capabilities that the sensor keeps: `CAP_DAC_READ_SEARCH`, `CAP_SYS_PTRACE`, `CAP_PERFMON`,
/// `CAP_BPF`.
const KEPT: u64 = 1 << 2 | 1 << 19 | 1 << 38 | 1 << 39;

const EXECS: &str = include_str!("../harness/src/rules.yaml");

/// An actor that connects in a network namespace of its own, and prints the endpoints of the
/// socket.
fn connecting() -> Actor {
    let steps = Act::new()
        .just("net-namespace")
        .listen(99, "127.0.0.1:80")
        .and(tcp(libc::AF_INET))
        .connect("127.0.0.1:80", 0)
        .endpoints();
    steps.start()
}

/// Lets the actor connect; returns its process id, and the name of the connection.
fn connect(actor: Actor) -> (u32, String) {
    let pid = actor.pid();
    (pid, actor.go().trim().replace(' ', "->"))
}

/// Processes whose connects are in the log so far, with the names of the connections.
fn connects(sensor: &Sensor) -> Vec<(u32, String)> {
    let lines = sensor.lines();
    let events = lines.iter().map(|line| Event::parse(line));
    events
        .filter(|event| event.0["rule"] == "Every connect")
        .map(|event| (pid(&event), event.text("fd.name").to_owned()))
        .collect()
}

fn pid(event: &Event) -> u32 {
    u32::try_from(event.number("proc.pid")).unwrap()
}

fn assert_locked_down(sensor: &Sensor) {
    assert!(wait_for(|| sensor.stderr().contains("rights given up")));
    let status = fs::read_to_string(format!("/proc/{}/status", sensor.pid())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    let permitted = u64::from_str_radix(&field("CapPrm:"), 16).unwrap();
    assert_eq!(permitted & !KEPT, 0, "{permitted:x}");
    assert_eq!(
        (field("NoNewPrivs:"), field("Seccomp:")),
        ("1".into(), "2".into())
    );
}

#[test]
fn connects_are_seen_once_a_rule_wants_them_and_no_longer_than_that() {
    // Where the kernel's perf_event_paranoid is 3 or more, the kernel refuses perf tracepoints by
    // now, and `auto` changes to raw ones.
    for hooks in ["auto", "raw"] {
        let sensor = Setup::watching(std::process::id())
            .option("sensor.capture.hooks", hooks)
            .start();
        assert_locked_down(&sensor);
        // All tests of this file run in one process tree: of the lines only those of these three
        // actors count.
        let (before, _) = connect(connecting());
        sensor.reload(RULES);
        let wanted = connect(connecting());
        assert!(
            wait_for(|| connects(&sensor).contains(&wanted)),
            "{hooks}: {:?} without {wanted:?}\n{}",
            connects(&sensor),
            sensor.stderr()
        );
        sensor.reload(EXECS);
        let (after, _) = connect(connecting());
        let seen = sensor.stop();
        seen.counters().assert_complete();
        let rules_of = |actor: u32| -> Vec<_> {
            let events = seen.events.iter().filter(|event| pid(event) == actor);
            events.map(|event| event.0["rule"].clone()).collect()
        };
        assert_eq!(rules_of(before), ["Every exec"], "{hooks}");
        assert_eq!(rules_of(wanted.0), ["Every connect"], "{hooks}");
        assert_eq!(rules_of(after), ["Every exec"], "{hooks}");
    }
}

#[test]
fn a_reload_says_how_many_rules_can_match_and_names_those_that_cannot_once() {
    let opens = "- {rule: Opens, desc: d, condition: open_write, output: x, priority: INFO}\n";
    let both = format!("{RULES}{opens}");
    let sensor = Setup::watching(std::process::id()).rules(&both).start();
    let said = |text: &str| sensor.stderr().matches(text).count();
    let tally = "2 rules from 1 file: 1 active, 1 inactive";
    let remark = "rule 'Opens' is inactive: no events of types open, openat, openat2";
    assert_eq!((said(tally), said(remark)), (1, 1), "{}", sensor.stderr());
    sensor.reload(&both);
    assert_eq!((said(tally), said(remark)), (2, 1), "{}", sensor.stderr());
    sensor.reload(RULES);
    assert_eq!(said("reloaded: 1 rule from 1 file: 1 active"), 1);
    sensor.reload(&both);
    assert_eq!((said(tally), said(remark)), (3, 2), "{}", sensor.stderr());
    let _ = sensor.stop();
}

#[test]
fn a_rules_file_that_changed_is_noticed_without_a_signal() {
    let actor = connecting();
    let sensor = Setup::watching(actor.pid())
        .option("watch_config_files", true)
        .start();
    sensor.write_rules(RULES);
    assert!(
        wait_for(|| sensor.stderr().contains(": reloaded")),
        "{}",
        sensor.stderr()
    );
    let wanted = connect(actor);
    assert!(wait_for(|| connects(&sensor) == [wanted.clone()]));
    sensor.stop().counters().assert_complete();
}

#[test]
fn a_new_rules_file_with_a_mistake_is_loaded_after_its_correction() {
    let scene = Scene::new();
    let [more, config] = ["more.yaml", "config.yaml"].map(|name| scene.path(name));
    fs::write(&more, RULES.replace("evt.type", "no.such.field")).unwrap();
    fs::write(&config, format!("rules_files: [{}]\n", more.display())).unwrap();
    let actor = connecting();
    let sensor = Setup::watching(actor.pid())
        .option("watch_config_files", true)
        .start();
    let logged = |text: &str| wait_for(|| sensor.stderr().contains(text));
    sensor.append_to_configuration(&format!("config_files: [{}]\n", config.display()));
    assert!(logged(": not reloaded"), "{}", sensor.stderr());
    fs::write(&more, RULES).unwrap();
    assert!(logged(": reloaded"), "{}", sensor.stderr());
    let wanted = connect(actor);
    assert!(wait_for(|| connects(&sensor) == [wanted.clone()]));
    sensor.stop().counters().assert_complete();
}

/// Checks that the old rules stay in force when a reload finds a mistake: `spoil` makes the
/// mistake, and the log must say `logged` about it.
fn assert_stays(spoil: impl FnOnce(&Sensor), logged: &[&str]) {
    let scene = Scene::new();
    let tool = scene.program("still-seen");
    let actor = Act::new().exec(&tool, ["still-seen"]).start();
    let sensor = Setup::watching(actor.pid()).start();
    spoil(&sensor);
    sensor.reload_in_vain();
    for text in logged {
        let stderr = sensor.stderr();
        assert!(stderr.contains(text), "no {text} in:\n{stderr}");
    }
    let _ = actor.go();
    let seen = sensor.stop();
    seen.counters().assert_complete();
    assert_eq!(seen.exec("still-seen").text("proc.name"), "still-seen");
}

#[test]
fn rules_with_a_mistake_leave_the_old_ones_in_force() {
    let rules = EXECS.replace("evt.type in", "no.such.field in");
    assert_stays(
        |sensor| sensor.write_rules(&rules),
        &["no.such.field", "rules.yaml:"],
    );
}

#[test]
fn a_program_output_that_is_added_after_the_lock_down_is_refused_with_the_remedy() {
    assert_stays(
        |sensor| {
            let program = "program_output: {enabled: true, program: /proc/self/exe}\n";
            sensor.append_to_configuration(program);
        },
        &["program_output", "restart"],
    );
}

#[test]
fn more_argv_than_the_programs_have_room_for_is_refused_with_the_limit_and_the_remedy() {
    assert_stays(
        |sensor| sensor.append_to_configuration("  capture: {argv_limit: 256KiB}\n"),
        &["sensor.capture.argv_limit", "32768", "restart"],
    );
}

#[test]
fn what_new_rules_want_of_the_kernel_is_taken_back_where_an_output_is_refused() {
    let actor = connecting();
    let sensor = Setup::watching(actor.pid()).start();
    sensor.write_rules(RULES);
    let program = "program_output: {enabled: true, program: /proc/self/exe}\n";
    sensor.append_to_configuration(program);
    sensor.reload_in_vain();
    let _unwanted = connect(actor);
    let seen = sensor.stop();
    seen.counters().assert_complete();
    let mut of_the_kernel = seen.stderr.lines();
    let connects = of_the_kernel.find(|line| line.starts_with("kernel connect:"));
    assert!(
        connects.is_none_or(|line| line.contains(" written=0 ")),
        "{}",
        seen.stderr
    );
    let execs = |event: &Event| event.0["rule"] == "Every exec";
    assert!(seen.events.iter().all(execs), "{:#?}", seen.events);
}

#[test]
fn a_configuration_with_a_mistake_is_reported_with_its_position_and_leaves_the_old_one_in_force() {
    assert_stays(
        |sensor| sensor.append_to_configuration("  stop_deadline: soon\n"),
        &["sensor.yaml:15:18", "sensor.stop_deadline"],
    );
}

#[test]
fn a_stop_may_take_as_long_as_the_reloaded_configuration_says() {
    let scene = Scene::new();
    let tool = scene.program("unanswered");
    let actor = Act::new().exec(&tool, ["unanswered"]).start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let sensor = Setup::watching(actor.pid())
        .option("http_output.enabled", true)
        .option("http_output.url", url)
        .start();
    // Longer than the default, with which the sensor has started.
    sensor.append_to_configuration("  stop_deadline: 8s\n");
    sensor.reload(EXECS);
    let _ = actor.go();
    sensor.settle();
    let begin = Instant::now();
    drop(sensor.stop());
    assert!(begin.elapsed() >= Duration::from_secs(7));
}
