//! `cargo xtask bench getppid`: what hooks cost every other system call.
//!
//! While any process hooks one system call, the kernel takes the slow way in and out of every
//! system call. The command also measures a tracepoint without an eBPF program, which shows the
//! kernel's share of the cost.

use std::{
    fs, io,
    os::fd::{FromRawFd as _, OwnedFd},
    time::Instant,
};

use anyhow::{Context as _, Result};
use harness::{Sensor, Setup};

use super::{
    connect,
    figures::{median, spread},
    variant::Variant,
};
use crate::shell::say;

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Rounds of each variant
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// System calls of one loop
    #[arg(long, default_value_t = 5_000_000)]
    calls: u32,
}

/// The hooks during a measurement; dropping this value removes them.
#[expect(dead_code, reason = "held for their drop")]
enum Listener {
    Nobody,
    Tracepoint(OwnedFd),
    Sensor(Sensor),
}

type Listen = fn() -> Result<Listener>;

/// All variants; the others are compared with the first one.
const VARIANTS: [(&str, Listen); 6] = [
    ("without sensor", || Ok(Listener::Nobody)),
    ("exec rules", || {
        let sensor = Variant::Written.start();
        Ok(sensor.map_or(Listener::Nobody, Listener::Sensor))
    }),
    ("an empty tracepoint", || {
        Ok(Listener::Tracepoint(empty_tracepoint()?))
    }),
    ("connect rules", || {
        let sensor = connect::start(("evt.type = connect", "perf"));
        Ok(Listener::Sensor(sensor))
    }),
    ("… and failed execs", || {
        let rules = include_str!("connect.yaml")
            .replace("CONDITION", "evt.type in (connect, execve, execveat)");
        let setup = Setup::of_the_machine()
            .rules(&rules)
            .option("engine.modern_ebpf.drop_failed_exit", false)
            .option("sensor.capture.hooks", "perf");
        Ok(Listener::Sensor(setup.start()))
    }),
    ("connect rules, raw hooks", || {
        let sensor = connect::start(("evt.type = connect", "raw"));
        Ok(Listener::Sensor(sensor))
    }),
];

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let mut all: [Vec<f64>; VARIANTS.len()] = Default::default();
    loop_of_calls(arguments.calls);
    for round in 1..=arguments.rounds {
        say(format_args!("round {round} of {}", arguments.rounds));
        for ((_, listen), series) in VARIANTS.iter().zip(&mut all) {
            let _listener = listen()?;
            series.push(loop_of_calls(arguments.calls));
        }
    }
    println!(
        "\n{} rounds of {} getppid, medians\n",
        arguments.rounds, arguments.calls
    );
    for ((name, _), series) in VARIANTS.iter().zip(&all) {
        println!(
            "{name:<26}{:>8.1} ns{:>8.3} (± {:.1} %)",
            median(series),
            median(series) / median(&all[0]),
            spread(series)
        );
    }
    Ok(())
}

/// Nanoseconds of one call.
pub(super) fn loop_of_calls(calls: u32) -> f64 {
    let begin = Instant::now();
    for _ in 0..calls {
        // SAFETY: takes nothing and cannot fail; by number, so that no library answers it.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// The first version of `struct perf_event_attr` of `include/uapi/linux/perf_event.h`.
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    rest: [u64; 6],
}

/// `PERF_TYPE_TRACEPOINT`.
const TRACEPOINT: u32 = 2;

/// Opens a perf event for `connect` on one CPU: a tracepoint without an eBPF program.
fn empty_tracepoint() -> Result<OwnedFd> {
    const ID: &str = "/sys/kernel/tracing/events/syscalls/sys_exit_connect/id";
    let id = fs::read_to_string(ID).context(ID)?;
    let attr = PerfEventAttr {
        kind: TRACEPOINT,
        size: u32::try_from(size_of::<PerfEventAttr>())?,
        config: id.trim().parse().context(ID)?,
        ..PerfEventAttr::default()
    };
    // SAFETY: the kernel reads as many bytes as `size` says.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attr, -1, 0, -1, 0) };
    let fd = i32::try_from(fd)?;
    if fd < 0 {
        return Err(io::Error::last_os_error()).context("perf_event_open");
    }
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
