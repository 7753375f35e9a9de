//! `cargo xtask bench connect`: a storm of connects in a cgroup that is named as a container's is,
//! and what hooks for connects cost other system calls.

use anyhow::{Context as _, Result};
use harness::{Cgroup, Sensor, Setup};

use super::{
    figures::{cpu_seconds, median, spread},
    getppid::loop_of_calls,
    storm::{self, StormTime},
};
use crate::shell::say;

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Rounds of each variant
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Connects of one storm
    #[arg(long, default_value_t = 100_000)]
    connects: u32,
    /// Processes that connect at once
    #[arg(long, default_value_t = 2)]
    workers: u32,
    /// System calls of one loop of `getppid`
    #[arg(long, default_value_t = 2_000_000)]
    calls: u32,
}

/// A setting of the sensor, or no sensor: its name, the rule's condition, the hook mode.
type Variant = (&'static str, Option<(&'static str, &'static str)>);

/// All variants; the others are compared with the first one.
const VARIANTS: [Variant; 5] = [
    ("without sensor", None),
    (
        "filtered in the kernel",
        Some(("evt.type = connect and container.id = host", "perf")),
    ),
    (
        "no rule matches",
        Some(("evt.type = connect and proc.name = no-such-program", "perf")),
    ),
    (
        "every connect written",
        Some(("evt.type = connect and container.id != host", "perf")),
    ),
    (
        "… with raw hooks",
        Some(("evt.type = connect and container.id != host", "raw")),
    ),
];

/// The measurements of a variant, round by round.
#[derive(Default)]
struct Series {
    /// Seconds of the storm.
    storm: Vec<f64>,
    /// CPU of its workers for each connect, µs.
    workers: Vec<f64>,
    /// Nanoseconds of a `getppid`.
    getppid: Vec<f64>,
    /// CPU of the sensor for each connect, µs.
    cpu: Vec<f64>,
    /// Lines for each connect of the storms.
    lines: Vec<f64>,
    lost: u64,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let cgroup = storm::container(0);
    let mut all: [Series; VARIANTS.len()] = Default::default();
    rage(&cgroup, arguments)?; // the first one warms caches up
    for round in 1..=arguments.rounds {
        say(format_args!("round {round} of {}", arguments.rounds));
        for ((_, setting), series) in VARIANTS.iter().zip(&mut all) {
            measure(*setting, series, &cgroup, arguments)?;
        }
    }
    print(&all, arguments);
    Ok(())
}

/// Starts the sensor with a rule that writes the fields of the default rule.
pub(super) fn start((condition, hooks): (&str, &str)) -> Sensor {
    let rules = include_str!("connect.yaml").replace("CONDITION", condition);
    Setup::of_the_machine()
        .rules(&rules)
        .option("sensor.capture.hooks", hooks)
        .option("sensor.file_output.rotate.size", 0)
        .start()
}

/// One round of a variant.
fn measure(
    setting: Option<(&str, &str)>,
    series: &mut Series,
    cgroup: &Cgroup,
    arguments: Arguments,
) -> Result<()> {
    let sensor = setting.map(start);
    series.getppid.push(loop_of_calls(arguments.calls));
    let cpu = |sensor: &Sensor| cpu_seconds(sensor.pid()).context("CPU of the sensor");
    let before = sensor.as_ref().map(cpu).transpose()?;
    let took = rage(cgroup, arguments)?;
    series.storm.push(took.wall.as_secs_f64());
    series
        .workers
        .push(took.on_cpu.as_secs_f64() / f64::from(arguments.connects) * 1e6);
    if let (Some(sensor), Some(before)) = (sensor, before) {
        sensor.settle();
        let done = f64::from(arguments.connects);
        series.cpu.push((cpu(&sensor)? - before) / done * 1e6);
        let seen = sensor.stop();
        let ours = |event: &&harness::Event| event.field("proc.name") == "storm";
        let lines = u32::try_from(seen.events.iter().filter(ours).count())?;
        series.lines.push(f64::from(lines) / done);
        series.lost += seen.counters().lost();
    }
    Ok(())
}

/// Runs a storm in the cgroup.
fn rage(cgroup: &Cgroup, arguments: Arguments) -> Result<StormTime> {
    let mut connects = storm::connects(arguments.workers, arguments.connects);
    storm::within(&mut connects, cgroup);
    storm::rage(&mut connects)
}

fn print(all: &[Series], arguments: Arguments) {
    println!(
        "\n{} rounds of {} connects by {} workers, medians (± half the distance between quartiles)\n",
        arguments.rounds, arguments.connects, arguments.workers
    );
    println!(
        "{:<24}{:>11}{:>7}{:>9}{:>12}{:>7}{:>13}{:>15}{:>6}{:>12}{:>7}{:>8}",
        "",
        "storm",
        "ratio",
        "±",
        "workers",
        "ratio",
        "CPU/connect",
        "lines/connect",
        "lost",
        "getppid",
        "ratio",
        "±"
    );
    let base = &all[0];
    for ((name, _), series) in VARIANTS.iter().zip(all) {
        let [storm, workers, getppid] =
            [&series.storm, &series.workers, &series.getppid].map(|figures| median(figures));
        print!(
            "{name:<24}{storm:>9.3} s{:>7.3}{:>7.1} %{workers:>9.2} µs{:>7.3}",
            storm / median(&base.storm),
            spread(&series.storm),
            workers / median(&base.workers),
        );
        if series.cpu.is_empty() {
            print!("{:>34}", "");
        } else {
            let (cpu, lines) = (median(&series.cpu), median(&series.lines));
            print!("{cpu:>10.2} µs{lines:>15.3}{:>6}", series.lost);
        }
        println!(
            "{getppid:>9.1} ns{:>7.3}{:>6.1} %",
            getppid / median(&base.getppid),
            spread(&series.getppid)
        );
    }
}
