//! `cargo xtask coverage`: the lines of the `sensor` crate that the unit and integration tests run.
//!
//! cargo-llvm-cov instruments and reports; where rustup has no `llvm-tools`, the tools of LLVM that
//! read the profiles are Debian's.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{
    setup,
    shell::{cargo, command, is_root, output, run as execute, target},
};

/// Tests that build an image, or count the verifier's instructions.
const LEFT_OUT: [&str; 2] = ["deploy_image", "verifier_budget"];

pub(crate) fn run() -> Result<()> {
    ensure!(is_root(), "the tests load eBPF programs: run it as root");
    setup::run(setup::Arguments { tests: true })?;
    let tools = setup::install_for_coverage()?;
    let directory = target().join("coverage");
    let environment = output(
        cargo(&["llvm-cov", "show-env"])
            .envs(tools.clone())
            .env("CARGO_TARGET_DIR", &directory),
    )?;
    let variables: Vec<(&str, &str)> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name, value.trim_matches(['\'', '"'])))
        .collect();
    let instrumented = |arguments: &[&str]| -> Command {
        let mut cargo = cargo(arguments);
        cargo
            .envs(variables.iter().copied())
            .envs(tools.clone())
            .env("CARGO_TARGET_DIR", &directory)
            // Without the storms, which are too much for a sensor without optimization.
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("SENSOR_BIN", directory.join("debug/sensor"));
        cargo
    };
    // Removes programs of a former build, whose lines would count as never run.
    execute(&mut instrumented(&["llvm-cov", "clean", "--workspace"]))?;
    // All in one build: two sets of features would compile the sensor twice.
    let programs = ["--package", "sensor", "--package", "tests", "--bins"];
    execute(instrumented(&["build", "--locked"]).args(programs))?;
    let own = ["sensor", "falco-rules", "yaml"];
    let own = own.into_iter().flat_map(|name| ["--package", name]);
    execute(instrumented(&["test", "--locked"]).args(own))?;
    let mut tests = instrumented(&["test", "--locked", "--package", "tests", "--no-fail-fast"]);
    for name in integration_tests()? {
        if !LEFT_OUT.contains(&name.as_str()) {
            tests.args(["--test", &name]);
        }
    }
    // Failed tests count too; `cargo xtask test` checks that all pass.
    let outcome = execute(&mut tests);
    execute(&mut instrumented(&[
        "llvm-cov",
        "report",
        "--ignore-filename-regex",
        "/(tests|xtask|fuzz)/|tests\\.rs$|/target/",
    ]))?;
    outcome.context("the figures above are those of a run with failures")
}

/// Names of the integration tests.
fn integration_tests() -> Result<Vec<String>> {
    let listing = output(&mut command("ls", &["tests/tests"]))?;
    let names = listing.lines().filter_map(|name| name.strip_suffix(".rs"));
    Ok(names.map(str::to_owned).collect())
}
