//! `cargo xtask run`: the sensor on this machine, for a developer.

use std::{fs, os::unix::process::CommandExt as _};

use anyhow::{Context as _, Result};

use crate::{
    setup,
    shell::{as_root, root, run as execute, say, target, workspace_cargo},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Further arguments of the sensor, as `-- -o priority=notice`
    #[arg(last = true)]
    sensor: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // Not optimized, as in unit tests: the first event comes sooner.
    setup::run(setup::Arguments::default())?;
    execute(&mut workspace_cargo("build", &["--bin", "sensor"]))?;
    let binary = target().join("debug/sensor");
    let directory = target().join("sensor");
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let log = directory.join("events.json");
    let rules = root().join("deploy/rules/development.yaml");
    say(format_args!(
        "events: readable here, as JSON in {}; stop with ^C",
        log.display()
    ));
    let mut command = as_root(&binary.to_string_lossy(), &[]);
    command.arg("-r").arg(rules);
    for option in [
        "stdout_output.enabled=true".to_owned(),
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={}", log.display()),
        "sensor.kube.enabled=false".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    // The sensor replaces this process, so that signals reach it.
    Err(command.args(&arguments.sensor).exec()).context("cannot start the sensor")
}
