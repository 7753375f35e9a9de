//! `cargo xtask bench fleet`: what the agents of a whole cluster cost its API server.
//!
//! `tests/src/bin/fleet/` does it; this command builds Kubernetes' programs and the agents.

use anyhow::{Context as _, Result, ensure};

use crate::{
    cluster,
    shell::{as_root, run as execute, say, target, workspace_cargo},
};

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// Agents, each of a node of its own
    #[arg(long, default_value_t = 1000)]
    agents: u32,
    /// Pods of each node
    #[arg(long, default_value_t = 10)]
    pods: u32,
    /// Seconds without a change
    #[arg(long, default_value_t = 60)]
    quiet: u64,
    /// Seconds for which the API server is away; repeatable
    #[arg(long, default_values_t = [5, 60])]
    away: Vec<u64>,
}

/// Measures. Nothing, after a line that says why, where the machine lacks Go or etcd.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.agents > 0, "a fleet has agents");
    let Some(programs) = cluster::programs_if_possible()? else {
        return Ok(());
    };
    execute(&mut workspace_cargo(
        "build",
        &["--release", "--bin", "fleet"],
    ))?;
    let mut words = vec![
        format!("SENSOR_CLUSTER={}", programs.display()),
        target().join("release/fleet").display().to_string(),
        "measure".to_owned(),
        format!("--agents={}", arguments.agents),
        format!("--pods={}", arguments.pods),
        format!("--quiet={}", arguments.quiet),
    ];
    words.extend(arguments.away.iter().map(|away| format!("--away={away}")));
    say(format_args!("{} agents", arguments.agents));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let status = as_root("env", &words).status().context("the fleet")?;
    ensure!(status.success(), "the fleet ended with {status}");
    Ok(())
}
