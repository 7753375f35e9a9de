//! `cargo xtask bench`: what the sensor costs.
//!
//! Rounds of each variant are interleaved, so that what else the machine does falls on all of
//! them alike; figures are medians, and ratios of medians within one run.

mod cgroup;
mod connect;
mod exec;
mod figures;
mod getppid;
mod soak;
mod variant;

use anyhow::{Result, ensure};

use crate::{
    build,
    shell::{cargo, is_root, run as execute},
};

#[derive(clap::Subcommand, Clone, Copy)]
pub(crate) enum Command {
    /// A storm of execs: without sensor, and with it filtering, matching nothing, writing all
    Exec(exec::Arguments),
    /// A storm of connects: without sensor, and with it filtering, matching nothing, writing all
    Connect(connect::Arguments),
    /// System calls that have nothing to do with it: a loop of `getppid`
    Getppid(getppid::Arguments),
    /// Short containers for a long time: memory stays flat, every exec is accounted for
    Soak(soak::Arguments),
}

pub(crate) fn run(command: Command) -> Result<()> {
    ensure!(is_root(), "this loads eBPF programs: run it as root");
    build::release()?;
    execute(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "tests",
        "--bins",
    ]))?;
    match command {
        Command::Exec(arguments) => exec::run(arguments)?,
        Command::Connect(arguments) => connect::run(arguments)?,
        Command::Getppid(arguments) => getppid::run(arguments),
        Command::Soak(arguments) => soak::run(arguments)?,
    }
    Ok(())
}
