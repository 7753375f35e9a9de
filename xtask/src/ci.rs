//! `cargo xtask ci`: the two commands of README.md on a machine with nothing but Rust, see
//! `.ci/run`.

use std::{
    env, fs, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    shell::{command, root, say, target},
    test,
};

/// Time limit from nothing to the first event, set-up included. README.md promises five minutes on
/// a quiet machine; a machine of CI can be slower.
const FIRST_EVENT: Duration = Duration::from_mins(10);

pub(crate) fn run() -> Result<()> {
    first_command()?;
    test::run(&test::Arguments::default())
}

/// Runs `cargo xtask run` until its first event; the sensor stops by itself soon afterwards.
fn first_command() -> Result<()> {
    say("---- README's first command");
    let begin = Instant::now();
    let already = since_the_beginning();
    let own = env::current_exe().context("the path of xtask")?;
    let log = target().join("sensor/events.json");
    // Removes the events of an earlier run.
    if log.exists() {
        fs::remove_file(&log).with_context(|| log.display().to_string())?;
    }
    let mut run = command(own, &["run", "--", "-M", "15"]);
    let mut child = run.current_dir(root()).spawn().context("cargo xtask run")?;
    let mut first = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // An exec, for the sensor to see.
        let _ = command("true", &[]).status();
        if first.is_none() && has_an_event(&log) {
            first = Some(already + begin.elapsed());
        }
        thread::sleep(Duration::from_millis(250));
    };
    ensure!(status.success(), "cargo xtask run ended with {status}");
    let first = first.context("cargo xtask run showed no event")?;
    let cpu = cpu_of_children().as_secs();
    say(format_args!(
        "first event after {} s from nothing; {cpu} s of CPU",
        first.as_secs()
    ));
    ensure!(
        first <= FIRST_EVENT,
        "a first event takes longer than {} s",
        FIRST_EVENT.as_secs()
    );
    Ok(())
}

/// Time since `.ci/run` began; cargo has built xtask meanwhile. No time outside of `.ci/run`.
pub(crate) fn since_the_beginning() -> Duration {
    let began = env::var("SENSOR_CI_BEGAN")
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Duration::from_secs);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    match (began, now) {
        (Some(began), Ok(now)) => now.saturating_sub(began),
        _ => Duration::ZERO,
    }
}

/// Whether the sensor has written an event, beside its internal records.
fn has_an_event(log: &std::path::Path) -> bool {
    let text = fs::read_to_string(log).unwrap_or_default();
    let is_event = |line: &str| line.contains("\"source\":\"syscall\"") && line.ends_with('}');
    text.lines().any(is_event)
}

/// CPU time of all ended descendants of this process: `cutime` and `cstime` of proc(5).
fn cpu_of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = stat.rsplit_once(") ").unwrap_or_default();
    let ticks: u64 = fields
        .split(' ')
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_secs(ticks / rustix::param::clock_ticks_per_second())
}
