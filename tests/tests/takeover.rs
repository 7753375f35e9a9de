//! Rollouts: a sensor takes over from the one that runs, and no event is lost or doubled.
//!
//! `SENSOR_TEST_ROLLOUTS` is the number of rollouts of a storm (3), `SENSOR_TEST_RATE` the number of
//! its execs in a second (1,000).
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{
    collections::{BTreeMap, HashMap},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;
use tests::{Event, Scene, Sensor, Setup, Tick, Ticks, programs, sensor::wait_for};

/// The variable with the state in which a sensor dies.
const DIES: &str = "SENSOR_TEST_TAKEOVER_DIES";

fn number(variable: &str, default: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| text.parse().unwrap())
}

/// Rules about the programs of one scene; `name` is that of the rules.
fn rules(scene: &Scene, name: &str) -> String {
    format!(
        "\
- rule: {name} exec
  desc: d
  condition: evt.type = execve and evt.res = SUCCESS and proc.exepath = {tick}
  output: '%proc.args'
  priority: INFO
- rule: {name} connect
  desc: d
  condition: evt.type = connect and proc.exepath = {storm}
  output: '%proc.vpid %fd.name'
  priority: INFO
",
        tick = scene.text("tick"),
        storm = scene.text("storm"),
    )
}

/// A sensor of the whole machine that takes over, if there is one to take over from.
fn setup(scene: &Scene, rules: &str) -> Setup {
    Setup::of_the_machine()
        .option("sensor.instance", scene.text("i"))
        .option("sensor.state_dir", scene.text("state"))
        .option("sensor.takeover", "on")
        .log_at(scene.path("log"))
        .rules(rules)
}

fn events(sensor: &Sensor) -> Vec<Event> {
    let lines = sensor.lines();
    lines.iter().map(|line| Event::parse(line)).collect()
}

fn is_over(sensor: &Sensor) -> bool {
    let stderr = sensor.stderr();
    ["Sensor internal: takeover", "Sensor internal: gap"]
        .iter()
        .any(|record| stderr.contains(record))
}

/// Waits until the next sensor has taken over and the former one has ended.
fn replaced(mut former: Sensor, next: &Sensor) {
    assert!(
        wait_for(|| is_over(next) && former.ended().is_some()),
        "{}\n{}",
        former.stderr(),
        next.stderr()
    );
    let stderr = former.stderr();
    assert!(former.ended().unwrap().success(), "{stderr}");
}

/// A storm of so many events, at that rate.
fn storm(scene: &Scene, kind: &str, rate: u32, count: u32) -> Child {
    let mut storm = Command::new(scene.path("storm"));
    storm.args([kind, "--rate", &rate.to_string(), "2", &count.to_string()]);
    if kind == "execs" {
        storm.arg(scene.path("tick"));
    }
    programs::spawn(storm.stdout(Stdio::null()))
}

/// A scene with the two programs.
fn scene() -> Scene {
    let scene = Scene::new();
    let _tick = scene.program("tick");
    programs::copy(&programs::built("storm"), &scene.path("storm"));
    scene
}

/// How often each output of rules with that kind was written.
fn outputs(events: &[Event], kind: &str) -> HashMap<String, usize> {
    let mut outputs = HashMap::new();
    for event in events {
        let rule = event.0["rule"].as_str().unwrap();
        if rule.ends_with(kind) {
            let fields = if kind == "exec" {
                event.text("proc.args").to_owned()
            } else {
                format!("{} {}", event.number("proc.vpid"), event.0["output"])
            };
            *outputs.entry(fields).or_default() += 1;
        }
    }
    outputs
}

#[test]
fn rollouts_in_a_storm_write_each_event_once() {
    let scene = scene();
    let (rollouts, rate) = (
        number("SENSOR_TEST_ROLLOUTS", 3),
        number("SENSOR_TEST_RATE", 1000),
    );
    // A rollout takes a second or two, and a debug build more.
    let seconds = 5 + 4 * rollouts;
    let (execs, connects) = (rate * seconds, rate / 20 * 10 * seconds);
    let mut sensor = setup(&scene, &rules(&scene, "r0")).start();
    let mut storms = [
        storm(&scene, "execs", rate, execs),
        storm(&scene, "connects", connects / seconds, connects),
    ];
    let begin = Instant::now();
    let mut slowest = Duration::ZERO;
    for n in 1..=rollouts {
        thread::sleep(Duration::from_secs(1));
        let launch = Instant::now();
        // Each has other rules.
        let next = setup(&scene, &rules(&scene, &format!("r{n}"))).start();
        replaced(std::mem::replace(&mut sensor, next), &sensor);
        slowest = slowest.max(launch.elapsed());
    }
    let took = begin.elapsed();
    let still = storms[0].try_wait().unwrap().is_none();
    for storm in &mut storms {
        assert!(storm.wait().unwrap().success());
    }
    sensor.settle();
    let seen = sensor.stop();
    seen.counters().assert_complete();
    let all: Vec<_> = seen.events.into_iter().chain(seen.internal).collect();
    let written = outputs(&all, "exec");
    let twice = written.values().filter(|times| **times > 1).count();
    let of_connects: usize = outputs(&all, "connect").values().sum();
    // Two sensors disturb neither each other's maps nor self-tests nor budgets.
    let mut internal: BTreeMap<_, usize> = BTreeMap::new();
    for event in all.iter().filter(|event| event.is_internal()) {
        let rule = event.0["rule"].as_str().unwrap().to_owned();
        *internal.entry(rule).or_default() += 1;
    }
    println!(
        "{rollouts} rollouts in {took:?} (slowest {slowest:?}): {execs} execs at {rate}/s, {} written, {twice} twice; {connects} connects, {of_connects} written; storm goes on: {still}",
        written.len(),
    );
    assert_eq!((written.len(), twice), (execs as usize, 0));
    assert_eq!(of_connects, connects as usize);
    let rollouts = rollouts as usize;
    let expected = [
        ("start", rollouts + 1),
        ("stop", rollouts + 1),
        ("takeover", rollouts),
    ];
    let expected = expected.map(|(name, times)| (format!("Sensor internal: {name}"), times));
    assert_eq!(internal, expected.into());
    assert!(still, "the storm was over before the last rollout");
}

/// A time, from and until, in nanoseconds since the epoch.
type Bounds = (u64, u64);

/// The bounds of gaps, and those of times in which events can be there twice.
fn told(events: &[Event]) -> (Vec<Bounds>, Vec<Bounds>) {
    let gaps = events
        .iter()
        .filter(|event| event.0["rule"] == "Sensor internal: gap");
    let both = gaps.map(|event| {
        let time = |key: &str| event.0["output_fields"].get(key).and_then(Value::as_u64);
        let gap = (
            time("sensor.gap.from").unwrap(),
            time("sensor.gap.until").unwrap(),
        );
        let twice = time("sensor.gap.twice_from").zip(time("sensor.gap.twice_until"));
        (gap, twice)
    });
    let (gaps, twice): (Vec<_>, Vec<_>) = both.unzip();
    (gaps, twice.into_iter().flatten().collect())
}

/// One of two sensors dies in that state while one takes over from the other.
fn dies(side: &str, state: &str) {
    let scene = scene();
    let rules = rules(&scene, "r");
    let with = |dies: bool| {
        let setup = setup(&scene, &rules);
        if dies {
            // Cargo builds this one, which can die in a state, beside the tests of the workspace.
            let program = programs::built("sensor");
            setup.program(program).variable(DIES, state)
        } else {
            setup
        }
    };
    let mut former = with(side == "former").start();
    let ticks = Ticks::of(scene.path("tick"), Duration::from_millis(2));
    thread::sleep(Duration::from_secs(2));
    let mut next = with(side == "next").launch();
    let killed = |sensor: &mut Sensor| {
        let ended = sensor.ended();
        ended.is_some_and(|status| !status.success())
    };
    let dead = if side == "former" {
        &mut former
    } else {
        &mut next
    };
    assert!(
        wait_for(|| killed(dead)),
        "{side} {state}: {}",
        dead.stderr()
    );
    thread::sleep(Duration::from_secs(1));
    let mut alive = if side == "former" { next } else { former };
    // A sensor that had handed over its events ends as well, and the next one tells the gap.
    let goes_on = !(side == "next" && ["handed", "takes"].contains(&state));
    if goes_on {
        assert!(
            alive.ended().is_none(),
            "{side} {state}: {}",
            alive.stderr()
        );
        if side == "former" {
            assert!(wait_for(|| is_over(&alive)), "{}", alive.stderr());
        }
    } else {
        assert!(wait_for(|| alive.ended().is_some()), "{}", alive.stderr());
        alive = setup(&scene, &rules).start();
    }
    thread::sleep(Duration::from_secs(1));
    let all: Vec<Tick> = ticks.end();
    alive.settle();
    thread::sleep(Duration::from_millis(300));
    let events = events(&alive);
    let written = outputs(&events, "exec");
    let (gaps, doubts) = told(&events);
    let within = |tick: &Tick, times: &[(u64, u64)]| times.iter().any(|time| tick.is_within(*time));
    let times = |tick: &Tick| written.get(&tick.number.to_string()).copied().unwrap_or(0);
    let missing: Vec<_> = all.iter().filter(|tick| times(tick) == 0).collect();
    let twice: Vec<_> = all.iter().filter(|tick| times(tick) > 1).collect();
    let lengths = gaps.iter().map(|(from, until)| (until - from) / 1_000_000);
    println!(
        "{side} dies when {state}: {} execs, {} missing, {} twice, gaps of {:?} ms",
        all.len(),
        missing.len(),
        twice.len(),
        lengths.collect::<Vec<_>>(),
    );
    let untold: Vec<_> = missing.iter().filter(|tick| !within(tick, &gaps)).collect();
    let stderr = alive.stderr();
    assert!(
        untold.is_empty(),
        "{side} {state}: {untold:?} {gaps:?}\n{stderr}"
    );
    let untold: Vec<_> = twice.iter().filter(|tick| !within(tick, &doubts)).collect();
    assert!(
        untold.is_empty(),
        "{side} {state}: {untold:?} {doubts:?}\n{stderr}"
    );
    assert!(gaps.len() <= 1, "{gaps:?}");
    let _ = alive.stop();
}

#[test]
fn what_is_missing_when_the_running_sensor_is_killed_lies_in_the_gap_that_is_told() {
    for state in [
        "greeted", "awaited", "proposed", "agreed", "passed", "handed", "written",
    ] {
        dies("former", state);
    }
}

#[test]
fn what_is_missing_when_the_new_sensor_is_killed_lies_in_the_gap_that_is_told() {
    for state in [
        "met", "ready", "noted", "agreed", "waits", "handed", "takes",
    ] {
        dies("next", state);
    }
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_sensor_that_waits_for_the_stop_of_the_other_is_ready_and_takes_over_then() {
    let scene = scene();
    let rules = rules(&scene, "r");
    let port = free_port();
    let setup = || {
        setup(&scene, &rules)
            .option("webserver.enabled", true)
            .option("webserver.listen_address", "127.0.0.1")
            .option("webserver.listen_port", port)
            .option("sensor.self_test.enabled", true)
    };
    let former = setup().start();
    let ticks = Ticks::of(scene.path("tick"), Duration::from_millis(2));
    let waits = setup().option("sensor.takeover", "at_stop").start();
    let is_ready = || waits.stderr().contains(": ready");
    assert!(wait_for(is_ready), "{}", waits.stderr());
    thread::sleep(Duration::from_secs(1));
    assert!(!is_over(&waits), "{}", waits.stderr());
    // A third one finds no room, and the two go on.
    let mut third = setup().launch();
    assert!(wait_for(|| third.ended().is_some()));
    let stderr = third.stderr();
    assert!(stderr.contains("another sensor waits already"), "{stderr}");
    former.signal(Signal::TERM);
    replaced(former, &waits);
    thread::sleep(Duration::from_millis(500));
    let all = ticks.end();
    waits.settle();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    let seen = waits.stop();
    let written = outputs(&seen.events, "exec");
    assert_eq!(written.len(), all.len());
    assert!(written.values().all(|times| *times == 1));
}

#[test]
fn a_sensor_without_the_door_of_takeovers_is_waited_for_and_the_gap_is_told() {
    let scene = scene();
    let rules = rules(&scene, "r");
    let mut former = setup(&scene, &rules).start();
    // As a version without takeovers.
    let door = scene.path("state").join(scene.text("i").replace('/', "_"));
    std::fs::remove_file(door.join("takeover.sock")).unwrap();
    let ticks = Ticks::of(scene.path("tick"), Duration::from_millis(2));
    let mut refused = setup(&scene, &rules).launch();
    assert!(wait_for(|| refused.ended().is_some()));
    assert!(!refused.ended().unwrap().success());
    let waits = setup(&scene, &rules)
        .option("sensor.takeover", "at_stop")
        .start();
    let is_ready = || waits.stderr().contains(": ready");
    assert!(wait_for(is_ready), "{}", waits.stderr());
    assert!(former.ended().is_none());
    former.signal(Signal::TERM);
    replaced(former, &waits);
    thread::sleep(Duration::from_millis(500));
    let all = ticks.end();
    waits.settle();
    let seen = waits.stop();
    let (gaps, _) = told(&seen.internal);
    let written = outputs(&seen.events, "exec");
    let missing = all
        .iter()
        .filter(|tick| !written.contains_key(&tick.number.to_string()));
    let untold: Vec<_> = missing.filter(|tick| !tick.is_within(gaps[0])).collect();
    assert!(untold.is_empty(), "{untold:?} {gaps:?}");
    assert_eq!(gaps.len(), 1);
}

#[test]
fn a_sensor_that_may_not_take_over_is_refused_and_the_other_goes_on() {
    let scene = scene();
    let rules = rules(&scene, "r");
    let mut first = setup(&scene, &rules).start();
    let mut second = setup(&scene, &rules)
        .option("sensor.takeover", "off")
        .launch();
    assert!(wait_for(|| second.ended().is_some()));
    let stderr = second.stderr();
    assert!(!second.ended().unwrap().success(), "{stderr}");
    assert!(stderr.contains("another sensor runs already"), "{stderr}");
    assert!(first.ended().is_none(), "{}", first.stderr());
    let _ = first.stop();
}
