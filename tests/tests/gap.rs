//! What a run says of the gap before it, against execs with known times.
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on says so by a panic; seconds with three digits"
)]

use std::{thread, time::Duration};

use rustix::process::Signal;
use tests::{Event, Scene, Sensor, Setup, Tick, Ticks, sensor::wait_for};

const RULES: &str = "\
- rule: Tick
  desc: d
  condition: evt.type = execve and proc.name = tick
  output: '%proc.args'
  priority: INFO
";

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
    let mut sensor = start(&scene);
    let ticks = Ticks::of(tool, Duration::from_millis(3));
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
    let all = ticks.end();
    sensor.settle();
    thread::sleep(Duration::from_millis(500));
    let (numbers, gaps) = written(&sensor);
    assert_eq!(gaps.len(), 3, "{gaps:?}");
    let in_a_gap = |tick: &Tick| gaps.iter().any(|gap| tick.is_within(*gap));
    let missing: Vec<_> = all
        .iter()
        .filter(|tick| !numbers.contains(&tick.number))
        .collect();
    let untold: Vec<_> = missing.iter().filter(|tick| !in_a_gap(tick)).collect();
    for (from, until) in &gaps {
        let within: Vec<_> = missing
            .iter()
            .filter(|tick| tick.is_within((*from, *until)))
            .collect();
        let (Some(first), Some(last)) = (within.first(), within.last()) else {
            panic!("nothing is missing in {from} to {until}");
        };
        println!(
            "told {:.3} s, {} execs missing in {:.3} s",
            (until - from) as f64 / 1e9,
            within.len(),
            (last.before - first.before) as f64 / 1e9
        );
        assert!(until - from < 10_000_000_000, "{gaps:?}");
    }
    println!("{} execs, {} missing", all.len(), missing.len());
    assert!(untold.is_empty(), "{untold:?} outside of {gaps:?}");
    let _ = sensor.stop();
}
