//! What a fleet of sensors costs an API server: `cargo xtask bench fleet`.
//!
//! A real API server and etcd, and on the other side of a network so many of the sensor's own tasks
//! that ask for pods, each with connections of its own. The tasks start at once, stay for a while,
//! lose the server, and come back. What they asked, and when, is in the server's audit log.
#![expect(clippy::print_stdout, reason = "it talks to whoever runs it")]

mod agents;
mod audit;
mod measure;
mod seed;
mod table;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the servers and the agents, and prints a table.
    Measure(Measure),
    /// The agents alone, which `measure` starts.
    Agents {
        /// The way to the API server.
        #[arg(long)]
        kubeconfig: PathBuf,
        /// Number of agents.
        #[arg(long)]
        agents: u32,
    },
}

/// What to measure.
#[derive(Args)]
pub(crate) struct Measure {
    /// Number of agents, each of a node of its own.
    #[arg(long)]
    agents: u32,
    /// Pods of each node.
    #[arg(long)]
    pods: u32,
    /// Seconds without a change.
    #[arg(long)]
    quiet: u64,
    /// Seconds for which the API server is away; repeatable.
    #[arg(long)]
    away: Vec<u64>,
}

/// The name of a node.
fn node(number: u32) -> String {
    format!("node-{number:05}")
}

fn main() -> ExitCode {
    let done: Result<()> = match Arguments::parse().command {
        Command::Measure(arguments) => measure::run(&arguments),
        Command::Agents { kubeconfig, agents } => agents::run(&kubeconfig, agents),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {error:#}");
            ExitCode::FAILURE
        }
    }
}
