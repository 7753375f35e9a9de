//! `cargo xtask`: the project's own commands.
#![expect(clippy::print_stdout, reason = "it talks to whoever runs it")]

mod bench;
mod build;
mod ci;
mod cluster;
mod companion;
mod coverage;
mod cross;
mod debian;
mod fuzz;
#[cfg(test)]
mod house;
mod image;
mod lines;
mod machine;
mod progress;
mod run;
mod setup;
mod shell;
mod test;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, runs, tests and measures the sensor.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing to build eBPF programs; with `--tests`, also what the tests need
    Setup(setup::Arguments),
    /// Set up, and build the sensor for release
    Build,
    /// Set up, build, and start the sensor on this machine, no Kubernetes needed
    Run(run::Arguments),
    /// Set up, and run everything that must pass before a commit
    Test(test::Arguments),
    /// What CI runs
    Ci,
    /// Run the integration tests on other kernels, in QEMU
    Vm(vm::Arguments),
    /// Start a real Kubernetes with the sensor's image, and end it when this command ends
    Cluster,
    /// Run the unit and integration tests, and report which lines of the sensor they run
    Coverage,
    /// Keep a sensor of the whole machine until standard input ends, and report what it lost
    #[command(hide = true)]
    Companion,
    /// Compare the lines that two builds wrote under the integration tests
    Lines(lines::Arguments),
    /// Run the fuzz targets for a bounded time
    Fuzz(fuzz::Arguments),
    /// Pack the sensor as an OCI image, without a container engine
    Image(image::Arguments),
    /// Measure what the sensor costs, as ratios within one run
    #[command(subcommand)]
    Bench(bench::Command),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Setup(arguments) => setup::run(arguments),
        Command::Build => build::run().map(drop),
        Command::Run(arguments) => run::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Ci => ci::run(),
        Command::Vm(arguments) => vm::run(&arguments),
        Command::Cluster => cluster::keep(),
        Command::Coverage => coverage::run(),
        Command::Companion => companion::keep(),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Lines(arguments) => lines::run(&arguments),
        Command::Image(arguments) => image::run(&arguments),
        Command::Bench(command) => bench::run(&command),
    }
}
