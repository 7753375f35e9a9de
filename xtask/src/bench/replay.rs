//! `cargo xtask bench replay`: events that one thread replays in a second of CPU time. The command records
//! storms in a cgroup that is named as a container's is, and replays each recording under two rules.

use std::{
    fs,
    path::Path,
    process::{Child, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use harness::{Scene, elf, programs, sensor::wait_for};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    figures::{cpu_seconds_of_children, median, spread},
    storm,
};
use crate::shell::{command, say};

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Replays of each recording under each rule
    #[arg(long, default_value_t = 15)]
    rounds: u32,
    /// Execs of the first recording
    #[arg(long, default_value_t = 40_000)]
    execs: u32,
    /// Connects of the second recording
    #[arg(long, default_value_t = 200_000)]
    connects: u32,
}

/// A rule for a recording: what the rule does, its text, its condition.
type Variant = (&'static str, &'static str, &'static str);

const EXECS: [Variant; 2] = [
    (
        "execs, no rule matches",
        include_str!("rules.yaml"),
        "evt.type = execve and proc.name = no-such-program",
    ),
    (
        "execs, every one a line",
        include_str!("rules.yaml"),
        "evt.type = execve",
    ),
];

const CONNECTS: [Variant; 2] = [
    (
        "connects, no rule matches",
        include_str!("connect.yaml"),
        "evt.type = connect and proc.name = no-such-program",
    ),
    (
        "connects, every one a line",
        include_str!("connect.yaml"),
        "evt.type = connect",
    ),
];

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let scene = Scene::new();
    let tiny = scene.path("tiny");
    programs::write(&tiny, &elf::native());
    let (execs, connects) = (scene.path("execs.rec"), scene.path("connects.rec"));
    let storms = [
        (&execs, storm::execs(2, arguments.execs, &tiny)),
        (&connects, storm::connects(2, arguments.connects)),
    ];
    let cgroup = storm::container(0);
    for (recording, mut storm) in storms {
        storm::within(&mut storm, &cgroup);
        say(format_args!("records {}", recording.display()));
        record(recording, &scene.path("log"), || {
            storm::rage(&mut storm).map(drop)
        })?;
    }
    println!(
        "\n{} replays each, medians (± half the distance between quartiles)\n\n{:<28}{:>10}{:>10}{:>14}{:>9}{:>12}{:>12}",
        arguments.rounds, "", "events", "lines", "events/CPU s", "±", "event", "recorded"
    );
    let rules = scene.path("rules.yaml");
    for (recording, variants) in [(&execs, EXECS), (&connects, CONNECTS)] {
        for (name, text, condition) in variants {
            fs::write(&rules, text.replace("CONDITION", condition))?;
            let replays = (0..arguments.rounds).map(|_| replay(recording, &rules));
            let replays: Vec<_> = replays.collect::<Result<_>>()?;
            print(name, &replays, fs::metadata(recording)?.len())?;
        }
    }
    Ok(())
}

/// A sensor that records; it ends with this value.
struct Recorder(Child);

impl Recorder {
    /// Ends the recording.
    fn stop(mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("the sensor has a pid")?, Signal::TERM)?;
        Ok(self.0.wait()?)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // A sensor that has ended is no more to be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Records everything while a function runs.
fn record(recording: &Path, log: &Path, during: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut record = command(programs::sensor(), &["record"]);
    record.arg(recording);
    for option in ["sensor.kube.enabled=false", "sensor.fairness.enabled=false"] {
        record.args(["-o", option]);
    }
    record.stderr(fs::File::create(log)?);
    let recorder = Recorder(programs::spawn(&mut record));
    let said = || fs::read_to_string(log).unwrap_or_default();
    let is_ready = wait_for(|| said().contains(": ready"));
    ensure!(is_ready, "the sensor is not ready: {}", said());
    during()?;
    let status = recorder.stop()?;
    ensure!(status.success(), "{}", said());
    ensure!(!said().contains("not in it"), "{}", said());
    Ok(())
}

/// A replay.
struct Replay {
    events: f64,
    lines: f64,
    /// CPU time, the start of the process included.
    seconds: f64,
}

fn replay(recording: &Path, rules: &Path) -> Result<Replay> {
    let mut replay = command(programs::sensor(), &["replay"]);
    replay.arg(recording).arg("-r").arg(rules);
    replay.args(["-o", "json_output=true"]);
    replay.stdout(Stdio::null());
    let before = cpu_seconds_of_children()?;
    let output = replay.output()?;
    let seconds = cpu_seconds_of_children()? - before;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{log}");
    let figure = |after: &str| -> Option<f64> {
        let (before, _) = log.split_once(after)?;
        before.rsplit(' ').next()?.parse().ok()
    };
    let both = figure(" events,").zip(figure(" lines,"));
    let (events, lines) = both.with_context(|| format!("no figures: {log}"))?;
    Ok(Replay {
        events,
        lines,
        seconds,
    })
}

fn print(name: &str, replays: &[Replay], bytes: u64) -> Result<()> {
    let first = replays.first().context("no replay")?;
    let rates: Vec<_> = replays
        .iter()
        .map(|replay| replay.events / replay.seconds)
        .collect();
    let rate = median(&rates);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a recording is far below 2^53 bytes"
    )]
    let size = bytes as f64 / first.events;
    println!(
        "{name:<28}{:>10}{:>10}{rate:>14.0}{:>7.1} %{:>9.2} µs{size:>8.0} byte",
        first.events,
        first.lines,
        spread(&rates),
        1e6 / rate
    );
    Ok(())
}
