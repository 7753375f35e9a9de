//! `cargo xtask bench`: what the sensor costs.
//!
//! The command takes the variants in turn, round by round, so that other work on the machine
//! affects all of them alike; figures are medians, and ratios of medians within one run.

mod connect;
mod exec;
mod figures;
mod fleet;
mod getppid;
mod idle;
mod peers;
mod programs;
mod replay;
mod soak;
mod storm;
mod variant;

use anyhow::{Result, ensure};

use crate::{
    build,
    machine::Machine,
    shell::{cargo, is_root, run as execute},
};

#[derive(clap::Subcommand, Clone)]
pub(crate) enum Command {
    /// A storm of execs: without the sensor, and with it filtering, matching no event, writing all
    /// events
    Exec(exec::Arguments),
    /// A storm of connects: without the sensor, and with it filtering, matching no event, writing
    /// all events
    Connect(connect::Arguments),
    /// System calls that the sensor does not capture: a loop of `getppid`
    Getppid(getppid::Arguments),
    /// The run time of each eBPF program, as the kernel measures it
    Programs(programs::Arguments),
    /// The same storms under bpftrace, libbpf-tools and Linux audit, side by side
    Peers(peers::Arguments),
    /// From a record to its line in one thread, with warm caches; the memory on a full node
    Enrich,
    /// Rule sets of 1 to 1,000 rules: loading them, and events that match no rule
    Rules,
    /// Recordings of storms, replayed in one thread
    Replay(replay::Arguments),
    /// What the agents of a whole cluster cost its API server: a real one, with etcd
    Fleet(fleet::Arguments),
    /// An idle machine
    Idle(idle::Arguments),
    /// Short-lived containers for a long time: memory must stay flat, and every exec be accounted
    /// for
    Soak(soak::Arguments),
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Enrich => return in_process("enrich"),
        Command::Rules => return in_process("rules"),
        Command::Fleet(arguments) => return fleet::run(arguments),
        _ => {}
    }
    ensure!(is_root(), "this loads eBPF programs: run it as root");
    build::sensor(Machine::host())?;
    execute(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "tests",
        "--bins",
    ]))?;
    match command {
        Command::Exec(arguments) => exec::run(*arguments)?,
        Command::Connect(arguments) => connect::run(*arguments)?,
        Command::Getppid(arguments) => getppid::run(*arguments)?,
        Command::Programs(arguments) => programs::run(*arguments)?,
        Command::Peers(arguments) => peers::run(*arguments)?,
        Command::Enrich | Command::Rules | Command::Fleet(_) => {}
        Command::Replay(arguments) => replay::run(*arguments)?,
        Command::Idle(arguments) => idle::run(*arguments)?,
        Command::Soak(arguments) => soak::run(*arguments)?,
    }
    Ok(())
}

/// Runs a benchmark of the library, which needs neither an eBPF program nor root.
fn in_process(name: &str) -> Result<()> {
    execute(&mut cargo(&[
        "bench",
        "--package",
        "sensor",
        "--bench",
        name,
    ]))
}
