//! What a run says of the gap before it, against execs with known times.
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on says so by a panic; seconds with three digits"
)]

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use tests::{Event, Scene, Sensor, Setup, sensor::wait_for};

const RULES: &str = "\
- rule: Tick
  desc: d
  condition: evt.type = execve and proc.name = tick
  output: '%proc.args'
  priority: INFO
";

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// The number of an exec, the time before it, and the time after it.
type Tick = (u64, u64, u64);

/// Executes one process after another until `ended`.
fn ticks(tool: &std::path::Path, ended: &AtomicBool) -> Vec<Tick> {
    let mut ticks = Vec::new();
    while !ended.load(Relaxed) {
        let (number, before) = (ticks.len() as u64, now());
        let status = Command::new(tool).arg(number.to_string()).status();
        assert!(status.unwrap().success());
        ticks.push((number, before, now()));
        thread::sleep(Duration::from_millis(3));
    }
    ticks
}

fn start(scene: &Scene) -> Sensor {
    Setup::watching(std::process::id())
        .option("sensor.instance", scene.text("gap"))
        .option("sensor.state_dir", scene.text("state"))
        .log_at(scene.path("log"))
        .rules(RULES)
        .start()
}

/// Whether a line of this exec is there, and the gaps that runs have told.
fn written(sensor: &Sensor) -> (Vec<u64>, Vec<(u64, u64)>) {
    let events: Vec<_> = sensor
        .lines()
        .iter()
        .map(|line| Event::parse(line))
        .collect();
    let ticks = events.iter().filter(|event| event.0["rule"] == "Tick");
    let numbers = ticks.map(|event| event.text("proc.args").parse().unwrap());
    let gaps = events
        .iter()
        .filter(|event| event.0["rule"] == "Sensor internal: gap");
    let bound = |event: &Event, key: &str| event.0["output_fields"][key].as_u64().unwrap();
    let gaps = gaps.map(|event| {
        (
            bound(event, "sensor.gap.from"),
            bound(event, "sensor.gap.until"),
        )
    });
    (numbers.collect(), gaps.collect())
}

#[test]
fn each_exec_that_is_missing_lies_in_the_gap_that_the_next_run_tells() {
    let scene = Scene::new();
    let tool = scene.program("tick");
    let ended = Arc::new(AtomicBool::new(false));
    let mut sensor = start(&scene);
    let ticking = {
        let ended = Arc::clone(&ended);
        thread::spawn(move || ticks(&tool, &ended))
    };
    let watch = || thread::sleep(Duration::from_secs(4));
    for kill in [false, true, false] {
        watch();
        if kill {
            sensor.signal(Signal::KILL);
            assert!(wait_for(|| sensor.ended().is_some()));
        } else {
            let _ = sensor.stop();
        }
        sensor = start(&scene);
    }
    watch();
    ended.store(true, Relaxed);
    let all = ticking.join().unwrap();
    sensor.settle();
    thread::sleep(Duration::from_millis(500));
    let (numbers, gaps) = written(&sensor);
    assert_eq!(gaps.len(), 3, "{gaps:?}");
    let in_a_gap = |tick: &Tick| gaps.iter().any(|gap| tick.2 >= gap.0 && tick.1 <= gap.1);
    let missing: Vec<_> = all
        .iter()
        .filter(|tick| !numbers.contains(&tick.0))
        .collect();
    let untold: Vec<_> = missing.iter().filter(|tick| !in_a_gap(tick)).collect();
    for (from, until) in &gaps {
        let within: Vec<_> = missing
            .iter()
            .filter(|tick| tick.2 >= *from && tick.1 <= *until)
            .collect();
        let (Some(first), Some(last)) = (within.first(), within.last()) else {
            panic!("nothing is missing in {from} to {until}");
        };
        println!(
            "told {:.3} s, {} execs missing in {:.3} s",
            (until - from) as f64 / 1e9,
            within.len(),
            (last.1 - first.1) as f64 / 1e9
        );
        assert!(until - from < 10_000_000_000, "{gaps:?}");
    }
    println!("{} execs, {} missing", all.len(), missing.len());
    assert!(untold.is_empty(), "{untold:?} outside of {gaps:?}");
    let _ = sensor.stop();
}
