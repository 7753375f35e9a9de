//! `cargo xtask bench peers`: the same storms under the sensor and under other tools for the same
//! task, in turn, round by round.
//!
//! The tools are the packages of this machine's Debian, and the newest ones, from a system of
//! Debian's testing suite that debootstrap makes. Each tool writes every exec (or connect) of the
//! machine to a file, with its default buffers; [`tool`] has their command lines. The command
//! counts `lines` after the tool has stopped in order, so no line is left in the tool's own
//! buffers.

mod source;
mod table;
mod tool;

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{Scene, elf, programs};
use source::Place;
use tool::{Running, Tool};

use super::{
    figures::{anonymous_mib, cpu_seconds},
    getppid::loop_of_calls,
    storm,
};
use crate::shell::{say, target};

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Rounds of each tool
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Execs of one storm
    #[arg(long, default_value_t = 10_000)]
    execs: u32,
    /// Connects of one storm
    #[arg(long, default_value_t = 50_000)]
    connects: u32,
    /// System calls of one loop of `getppid`
    #[arg(long, default_value_t = 2_000_000)]
    calls: u32,
    /// Leave Linux audit out: after audit was on, the kernel does a little more work for each fork
    /// until the next boot
    #[arg(long)]
    without_audit: bool,
}

/// The kind of the storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storm {
    Exec,
    Connect,
}

/// Numbers of workers of the storms.
const WORKERS: [u32; 2] = [1, 2];

/// The measurements of a tool under a storm, round by round.
#[derive(Default)]
struct Series {
    /// Seconds of the storm, for each number of workers.
    storm: [Vec<f64>; WORKERS.len()],
    /// Nanoseconds of a `getppid`.
    getppid: Vec<f64>,
    /// CPU of the tool for each event, µs.
    cpu: Vec<f64>,
    /// Lines for each event.
    lines: Vec<f64>,
    /// Anonymous memory after the storms, MiB.
    memory: Vec<f64>,
    /// From start to the first line of an event, ms.
    ready: Vec<f64>,
    /// Why the tool does not run here.
    refused: Option<String>,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let place = Place::new()?;
    let scene = &place.scene;
    programs::write(&scene.path("tiny"), &elf::native());
    programs::write(&scene.path("probe"), &elf::native());
    programs::copy(&target().join("release/storm"), &scene.path("knock"));
    for storm in [Storm::Exec, Storm::Connect] {
        let mut all: BTreeMap<Tool, Series> = BTreeMap::new();
        rage(storm, scene, 1, arguments)?; // the first one warms caches up
        for round in 1..=arguments.rounds {
            say(format_args!(
                "{storm:?}, round {round} of {}",
                arguments.rounds
            ));
            for tool in Tool::ALL {
                if matches!(tool, Tool::Audit(_)) && arguments.without_audit {
                    continue;
                }
                let series = all.entry(tool).or_default();
                if series.refused.is_none() {
                    round_of(tool, storm, series, &place, arguments)?;
                }
            }
        }
        table::print(storm, &all, &place, arguments);
    }
    Ok(())
}

/// One round of a tool.
fn round_of(
    tool: Tool,
    storm: Storm,
    series: &mut Series,
    place: &Place,
    arguments: Arguments,
) -> Result<()> {
    let scene = &place.scene;
    let begin = Instant::now();
    let mut running = match tool.start(storm, place) {
        Ok(running) => running,
        Err(error) => {
            series.refused = Some(format!("{error:#}"));
            return Ok(());
        }
    };
    if let Some(running) = &mut running {
        if let Err(error) = wait_for_a_line(running, storm, scene) {
            series.refused = Some(format!("{error:#}"));
            return Ok(());
        }
        series.ready.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    series.getppid.push(loop_of_calls(arguments.calls));
    let cpu = |running: &Running| -> Result<f64> {
        running.pids.iter().map(|pid| cpu_seconds(*pid)).sum()
    };
    let before = running.as_ref().map(cpu).transpose()?;
    for (workers, seconds) in WORKERS.iter().zip(&mut series.storm) {
        seconds.push(rage(storm, scene, *workers, arguments)?);
    }
    let (Some(running), Some(before)) = (running, before) else {
        return Ok(());
    };
    running.settle();
    let done = tool.expected(storm, arguments) * WORKERS.map(|_| 1.0).iter().sum::<f64>();
    series.cpu.push((cpu(&running)? - before) / done * 1e6);
    series.memory.push(anonymous_mib(running.pids[0])?);
    let lines = u32::try_from(running.stop()?)?;
    series.lines.push(f64::from(lines) / done);
    Ok(())
}

/// Makes events until the tool has written one of them.
fn wait_for_a_line(running: &mut Running, storm: Storm, scene: &Scene) -> Result<()> {
    let begin = Instant::now();
    // Each time a new process: audit does not see processes that are older than its start.
    let mut probe = match storm {
        Storm::Exec => Command::new(scene.path("probe")),
        Storm::Connect => Command::new(scene.path("knock")),
    };
    probe
        .args(["connects", "1", "5"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    loop {
        programs::spawn(&mut probe).wait()?;
        if running.has_seen_the_probe() {
            return Ok(());
        }
        running.still_runs()?;
        ensure!(
            begin.elapsed() < Duration::from_secs(30),
            "it wrote no line within 30 s: {}",
            running.complaint()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs a storm; returns its seconds.
fn rage(storm: Storm, scene: &Scene, workers: u32, arguments: Arguments) -> Result<f64> {
    let took = storm::rage(&mut match storm {
        Storm::Exec => storm::execs(workers, arguments.execs, &scene.path("tiny")),
        Storm::Connect => storm::connects(workers, arguments.connects),
    })?;
    Ok(took.wall.as_secs_f64())
}
