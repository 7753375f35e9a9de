//! Storms for the benchmarks (`tests/src/bin/storm`).

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use harness::Cgroup;

use crate::shell::{command, output, target};

/// The duration of a storm.
#[derive(Clone, Copy, Debug)]
pub(super) struct StormTime {
    /// From the first event to the last one.
    pub(super) wall: Duration,
    /// CPU time of the workers.
    pub(super) on_cpu: Duration,
}

/// A storm of execs of a program; `count` is rounded down so that the workers share it evenly.
pub(super) fn execs(workers: u32, count: u32, program: &Path) -> Command {
    let mut storm = storm("execs", workers, count / workers * workers);
    storm.arg(program);
    storm
}

/// A storm of connects; `count` is rounded down so that the workers share it evenly.
pub(super) fn connects(workers: u32, count: u32) -> Command {
    let in_all = workers * 5;
    storm("connects", workers, count / in_all * in_all)
}

fn storm(kind: &str, workers: u32, count: u32) -> Command {
    let program = target().join("release/storm");
    command(program, &[kind, &workers.to_string(), &count.to_string()])
}

/// Makes the storm run in a cgroup.
pub(super) fn within(storm: &mut Command, cgroup: &Cgroup) {
    storm.args(["--cgroup", &cgroup.procs()]);
}

/// Runs the storm; returns its duration.
pub(super) fn rage(storm: &mut Command) -> Result<StormTime> {
    let figures = output(storm)?;
    let (wall, on_cpu) = figures.split_once(' ').context("two figures")?;
    Ok(StormTime {
        wall: Duration::from_nanos(wall.parse()?),
        on_cpu: Duration::from_nanos(on_cpu.parse()?),
    })
}

/// A cgroup with the name of a container's; the number distinguishes those of this process.
pub(super) fn container(number: u32) -> Cgroup {
    // The sensor shows the first twelve digits of an id.
    let id = format!("{number:08x}{:056x}", std::process::id());
    Cgroup::new(&format!("docker-{id}.scope"))
}
