//! `cargo xtask bench programs`: the run time of each eBPF program, as the kernel measures it.
//!
//! The duration of a storm depends on everything that the machine does meanwhile. This command
//! measures the eBPF programs alone. The kernel reads its clock twice for each run of a program, and
//! the figures include that.

use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::{FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result, ensure};
use harness::{Scene, Sensor, elf, programs};
use serde_json::Value;

use super::{connect, storm, variant::Variant};
use crate::shell::{command, output};

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Execs, and connects, of one storm
    #[arg(long, default_value_t = 20_000)]
    events: u32,
}

/// Conditions of rules about connects, with the hook mode.
const CONNECTS: [(&str, (&str, &str)); 4] = [
    (
        "connect, filtered in the kernel",
        ("evt.type = connect and container.id = host", "perf"),
    ),
    (
        "connect, no rule matches",
        ("evt.type = connect and proc.name = no-such-program", "perf"),
    ),
    (
        "every connect written",
        ("evt.type = connect and container.id != host", "perf"),
    ),
    (
        "… with raw hooks",
        ("evt.type = connect and container.id != host", "raw"),
    ),
];

/// Runs of an eBPF program, and their nanoseconds.
#[derive(Clone, Copy, Default)]
struct Runs {
    count: u64,
    nanoseconds: u64,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let _measured = measure_runs()?;
    println!("| | program | runs per event | ns per run | µs per event |\n|---|---|---|---|---|");
    let scene = Scene::new();
    let tiny = scene.path("tiny");
    programs::write(&tiny, &elf::native());
    for variant in Variant::ALL {
        if let Some(sensor) = variant.start() {
            let storm = &mut storm::execs(2, arguments.events, &tiny);
            one(
                &format!("exec: {}", variant.name()),
                &sensor,
                storm,
                arguments.events,
            )?;
        }
    }
    let cgroup = storm::container(0);
    for (name, setting) in CONNECTS {
        let sensor = connect::start(setting);
        let mut storm = storm::connects(2, arguments.events);
        storm::within(&mut storm, &cgroup);
        one(name, &sensor, &mut storm, arguments.events)?;
    }
    Ok(())
}

/// A storm under the sensor: a row for each eBPF program, and one for all of them.
fn one(name: &str, sensor: &Sensor, storm: &mut std::process::Command, events: u32) -> Result<()> {
    let before = runs_of(sensor.pid())?;
    storm::rage(storm)?;
    let mut sum = 0.0;
    for (id, after) in runs_of(sensor.pid())? {
        let before = before.get(&id).copied().unwrap_or_default();
        let (count, nanoseconds) = (
            figure(after.count - before.count),
            figure(after.nanoseconds - before.nanoseconds),
        );
        let per_event = nanoseconds / f64::from(events) / 1e3;
        sum += per_event;
        if count / f64::from(events) >= 0.01 {
            println!(
                "| {name} | `{}` | {:.2} | {:.0} | {per_event:.2} |",
                name_of(id)?,
                count / f64::from(events),
                nanoseconds / count
            );
        }
    }
    println!("| {name} | all | | | {sum:.2} |");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn figure(count: u64) -> f64 {
    count as f64
}

/// The runs of the eBPF programs of a process, by the ids of the programs.
fn runs_of(pid: u32) -> Result<BTreeMap<u32, Runs>> {
    let directory = format!("/proc/{pid}/fdinfo");
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(&directory).context(directory)? {
        // Descriptors appear and disappear meanwhile.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<u64>().ok()
        };
        let figures = (value("prog_id:"), value("run_cnt:"), value("run_time_ns:"));
        if let (Some(id), Some(count), Some(nanoseconds)) = figures {
            all.insert(u32::try_from(id)?, Runs { count, nanoseconds });
        }
    }
    ensure!(!all.is_empty(), "the sensor holds no eBPF program");
    Ok(all)
}

fn name_of(program: u32) -> Result<String> {
    let shown = output(&mut command(
        "bpftool",
        &["--json", "prog", "show", "id", &program.to_string()],
    ))?;
    let shown: Value = serde_json::from_str(&shown)?;
    Ok(shown["name"].as_str().unwrap_or_default().to_owned())
}

/// Makes the kernel measure runs of eBPF programs until the descriptor is closed.
fn measure_runs() -> Result<OwnedFd> {
    /// `BPF_ENABLE_STATS` of `include/uapi/linux/bpf.h`.
    const ENABLE_STATS: i32 = 32;
    // `BPF_STATS_RUN_TIME` is the only attribute of that command.
    let attributes: u32 = 0;
    // SAFETY: the kernel reads as many bytes as the size says.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            ENABLE_STATS,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    let fd = i32::try_from(fd)?;
    if fd < 0 {
        return Err(io::Error::last_os_error()).context("BPF_ENABLE_STATS");
    }
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
