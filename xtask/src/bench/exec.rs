//! `cargo xtask bench exec`: a storm of fork and exec of a tiny static program.

use std::{collections::BTreeMap, path::Path, time::Instant};

use anyhow::{Context as _, Result};
use harness::{Scene, elf, programs};

use super::{
    figures::{anonymous_mib, cpu_seconds, median, spread},
    storm,
    variant::Variant,
};
use crate::shell::say;

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Rounds of each variant
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Execs of one storm
    #[arg(long, default_value_t = 10_000)]
    execs: u32,
}

/// Numbers of workers of a storm.
const WORKERS: [u32; 2] = [1, 2];

/// The measurements of a variant, round by round.
#[derive(Default)]
struct Series {
    /// Seconds of the storm, for each number of workers.
    storm: [Vec<f64>; WORKERS.len()],
    /// CPU of the sensor for each exec, µs.
    cpu: Vec<f64>,
    /// Anonymous memory after the storms, MiB.
    memory: Vec<f64>,
    /// From start to `ready`, ms.
    ready: Vec<f64>,
    /// Lines for each exec of the storms.
    lines: Vec<f64>,
    lost: u64,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let scene = Scene::new();
    let tiny = scene.path("tiny");
    programs::write(&tiny, &elf::native());
    let mut all: BTreeMap<Variant, Series> = BTreeMap::new();
    storm::rage(&mut storm::execs(1, arguments.execs, &tiny))?; // the first one warms caches up
    for round in 1..=arguments.rounds {
        say(format_args!("round {round} of {}", arguments.rounds));
        for variant in Variant::ALL {
            measure(
                variant,
                all.entry(variant).or_default(),
                &tiny,
                arguments.execs,
            )?;
        }
    }
    print(&all, arguments);
    Ok(())
}

/// One round of a variant.
fn measure(variant: Variant, series: &mut Series, tiny: &Path, execs: u32) -> Result<()> {
    let begin = Instant::now();
    let sensor = variant.start();
    if sensor.is_some() {
        series.ready.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let cpu = |pid| cpu_seconds(pid).context("CPU of the sensor");
    let before = sensor
        .as_ref()
        .map(|sensor| cpu(sensor.pid()))
        .transpose()?;
    for (workers, seconds) in WORKERS.iter().zip(&mut series.storm) {
        let took = storm::rage(&mut storm::execs(*workers, execs, tiny))?;
        seconds.push(took.wall.as_secs_f64());
    }
    if let (Some(sensor), Some(before)) = (sensor, before) {
        let done = f64::from(execs) * WORKERS.map(|_| 1.0).iter().sum::<f64>();
        sensor.settle();
        series.cpu.push((cpu(sensor.pid())? - before) / done * 1e6);
        series.memory.push(anonymous_mib(sensor.pid())?);
        let seen = sensor.stop();
        let ours = |event: &&harness::Event| event.field("proc.name") == "tiny";
        let lines = u32::try_from(seen.events.iter().filter(ours).count())?;
        series.lines.push(f64::from(lines) / done);
        series.lost += seen.counters().lost();
    }
    Ok(())
}

fn print(all: &BTreeMap<Variant, Series>, arguments: Arguments) {
    println!(
        "\n{} rounds of {} fork+exec, medians (± half the distance between quartiles)\n",
        arguments.rounds, arguments.execs
    );
    println!(
        "{:<24}{:>11}{:>9}{:>7}{:>11}{:>9}{:>7}{:>10}{:>9}{:>9}{:>11}{:>6}",
        "",
        "1 worker",
        "ratio",
        "±",
        "2 workers",
        "ratio",
        "±",
        "CPU/exec",
        "RSS",
        "ready",
        "lines/exec",
        "lost"
    );
    let base = all.get(&Variant::Without);
    for (variant, series) in all {
        print!("{:<24}", variant.name());
        for (index, seconds) in series.storm.iter().enumerate() {
            let base = base.map_or(f64::NAN, |base| median(&base.storm[index]));
            let (middle, around) = (median(seconds), spread(seconds));
            print!("{:>9.3} s{:>9.3}{:>5.1} %", middle, middle / base, around);
        }
        if series.cpu.is_empty() {
            println!();
            continue;
        }
        println!(
            "{:>7.2} µs{:>5.1} MiB{:>6.0} ms{:>11.3}{:>6}",
            median(&series.cpu),
            median(&series.memory),
            median(&series.ready),
            median(&series.lines),
            series.lost
        );
    }
}
