//! `cargo xtask bench soak`: short-lived containers for a long time. Memory must not grow, and
//! every exec must be accounted for.

use std::{
    collections::VecDeque,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use harness::{Cgroup, Scene, Sensor, Setup, elf, programs};

use super::{
    figures::{anonymous_mib, cpu_seconds, median},
    storm,
};
use crate::shell::say;

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Seconds of the test
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Execs a second
    #[arg(long, default_value_t = 1000)]
    execs: u32,
    /// Containers a second that start and end
    #[arg(long, default_value_t = 20)]
    containers: u32,
    /// Seconds between two measurements of memory
    #[arg(long, default_value_t = 10)]
    interval: u32,
}

/// Name of the program that the containers execute; no other program on this machine has it.
const PROGRAM: &str = "soak-tiny";
/// How much the memory may grow from the second quarter of the time to the last one.
const GROWTH: f64 = 1.05;

/// A rule with the fields of the default rule, for these execs only.
const RULES: &str = include_str!("rules.yaml");

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let scene = Scene::new();
    let tiny = scene.path(PROGRAM);
    programs::write(&tiny, &elf::native());
    let condition = format!("evt.type = execve and container.id != host and proc.name = {PROGRAM}");
    let sensor = Setup::of_the_machine()
        .rules(&RULES.replace("CONDITION", &condition))
        // The test counts written lines, and does not read them.
        .option("sensor.file_output.rotate.size", "16MiB")
        .option("sensor.file_output.rotate.keep", 1)
        .at_most(Duration::from_secs(u64::from(arguments.seconds) + 120))
        .start();
    let mut readings = Readings::default();
    println!(
        "{:>8}{:>12}{:>12}{:>12}{:>10}",
        "seconds", "containers", "execs", "RSS", "CPU"
    );
    let execs = soak(arguments, &sensor, &tiny, &mut readings)?;
    sensor.settle();
    let seen = sensor.stop();
    seen.counters().assert_complete();
    let counters = seen.counters();
    println!(
        "\n{execs} execs: {} matched, {} written, {} lost",
        counters.user("matched"),
        counters.output("written"),
        counters.lost()
    );
    ensure!(
        counters.user("matched") == execs && counters.output("written") == execs,
        "not every exec is a line:\n{}",
        seen.stderr
    );
    let (before, after) = readings.quarters();
    println!("RSS: {before:.1} MiB in the second quarter, {after:.1} MiB in the last one");
    ensure!(after <= before * GROWTH, "memory grows");
    Ok(())
}

/// Memory at each measurement, MiB.
#[derive(Default)]
struct Readings(Vec<f64>);

impl Readings {
    /// Medians of the second quarter and of the last one.
    fn quarters(&self) -> (f64, f64) {
        let quarter = |number: usize| {
            let at = |n: usize| self.0.len() * n / 4;
            median(&self.0[at(number)..at(number + 1)])
        };
        (quarter(1), quarter(3))
    }
}

/// Starts containers, which end by themselves; returns the number of execs.
fn soak(
    arguments: Arguments,
    sensor: &Sensor,
    tiny: &Path,
    readings: &mut Readings,
) -> Result<u64> {
    let Arguments {
        seconds,
        execs,
        containers,
        interval,
    } = arguments;
    ensure!(
        containers > 0 && execs >= containers && interval > 0,
        "at least one container a second, and one exec in each"
    );
    let each = execs / containers;
    let cpu = cpu_seconds(sensor.pid())?;
    let begin = Instant::now();
    let mut running = VecDeque::new();
    let mut next_reading = interval;
    for number in 0..seconds * containers {
        let due = Duration::from_secs(1) / containers * number;
        thread::sleep(due.saturating_sub(begin.elapsed()));
        running.push_back(ShortContainer::start(number, each, tiny)?);
        while running.len() > 64 || running.front_mut().is_some_and(ShortContainer::has_ended) {
            let ended = running.pop_front();
            ended.map_or(Ok(()), ShortContainer::end)?;
        }
        if begin.elapsed() >= Duration::from_secs(next_reading.into()) {
            let memory = anonymous_mib(sensor.pid())?;
            readings.0.push(memory);
            let share = (cpu_seconds(sensor.pid())? - cpu) / begin.elapsed().as_secs_f64();
            println!(
                "{:>8.0}{:>12}{:>12}{memory:>8.1} MiB{:>8.2} %",
                begin.elapsed().as_secs_f64(),
                number + 1,
                u64::from(number + 1) * u64::from(each),
                share * 100.0
            );
            next_reading += interval;
        }
    }
    let took = begin.elapsed().as_secs_f64();
    running.into_iter().try_for_each(ShortContainer::end)?;
    say(format_args!(
        "{:.0} containers and {:.0} execs a second",
        f64::from(seconds * containers) / took,
        f64::from(seconds * containers * each) / took
    ));
    Ok(u64::from(seconds) * u64::from(containers) * u64::from(each))
}

/// A container that executes a program a few times and ends.
struct ShortContainer {
    storm: Child,
    _cgroup: Cgroup,
}

impl ShortContainer {
    fn start(number: u32, execs: u32, tiny: &Path) -> Result<Self> {
        let cgroup = storm::container(number);
        let mut storm = storm::execs(1, execs, tiny);
        storm::within(&mut storm, &cgroup);
        storm.stdout(Stdio::null());
        let storm = storm.spawn().context("a storm cannot be started")?;
        Ok(Self {
            storm,
            _cgroup: cgroup,
        })
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.storm.try_wait(), Ok(None))
    }

    fn end(mut self) -> Result<()> {
        let status = self.storm.wait()?;
        ensure!(status.success(), "a storm ended with {status}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Readings;

    #[test]
    fn the_second_quarter_is_compared_with_the_last_one() {
        let readings = Readings(vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        let (before, after) = readings.quarters();
        assert!((before - 2.0).abs() < 1e-9 && (after - 4.0).abs() < 1e-9);
    }
}
