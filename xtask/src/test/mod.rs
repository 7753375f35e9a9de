//! `cargo xtask test`: everything that must pass, step by step, and a table at the end.

mod quick;
mod red;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

pub(crate) use self::red::FailedTest;
use self::red::run_tests;
use crate::{
    build, ci, cluster, companion, fuzz,
    machine::Machine,
    setup,
    shell::{cargo, is_root, root, run as execute, say, workspace_cargo},
    vm,
};

#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Only these steps
    #[arg(value_parser = STEPS.iter().map(|step| step.0).collect::<Vec<_>>())]
    steps: Vec<String>,
    /// Only the unit tests and the integration tests that find the most, with a sensor that is
    /// built fast
    #[arg(long, conflicts_with = "steps")]
    quick: bool,
    /// Only integration tests whose names contain this
    #[arg(long)]
    filter: Option<String>,
}

/// The name of a step and its function, which also notes each failed test.
type Step = (
    &'static str,
    fn(&Arguments, &mut Vec<FailedTest>) -> Result<()>,
);

/// The steps in their order: those that fail soonest come first. After a failure the others still
/// run, unless the failed step is one of [`NEEDED`].
const STEPS: &[Step] = &[
    ("setup", |_, _| setup::run(setup::Arguments { tests: true })),
    ("format", |_, _| format()),
    ("lint", |_, _| lint()),
    ("unit", |_, red| unit(red)),
    ("docs", |_, _| docs()),
    ("release", |_, _| build::sensor(Machine::host()).map(drop)),
    ("integration", integration),
    ("vm", |_, red| vm::short(red)),
    ("fuzz", |_, _| fuzz::run(&fuzz::Arguments::default())),
    ("cluster", cluster),
];

/// How long after its beginning `.ci/run` still begins the step `cluster`. From nothing the step takes up
/// to 14 minutes, and the whole has 60; a machine that is slower up to here has no room for both.
const LATEST_CLUSTER: Duration = Duration::from_mins(20);

/// Steps that later steps need.
const NEEDED: &[&str] = &["setup", "release", quick::BUILD];

/// Crates outside the workspace.
const OUTSIDE: &[&str] = &["sensor-ebpf/Cargo.toml"];

/// The result of a step.
struct Outcome {
    step: &'static str,
    seconds: u64,
    red: Vec<FailedTest>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let steps = if arguments.quick { quick::STEPS } else { STEPS };
    let wanted =
        |name: &str| arguments.steps.is_empty() || arguments.steps.iter().any(|step| step == name);
    let mut outcomes = Vec::new();
    for (name, step) in steps.iter().filter(|(name, _)| wanted(name)) {
        say(format_args!("---- {name}"));
        let begin = Instant::now();
        let mut red = Vec::new();
        if let Err(error) = step(arguments, &mut red).with_context(|| format!("step {name}")) {
            say(format_args!("{error:#}"));
            if red.is_empty() {
                let repeat = if arguments.quick {
                    "cargo xtask test --quick".to_owned()
                } else {
                    format!("cargo xtask test {name}")
                };
                let name = format!("{error:#}");
                let name = name.lines().next().unwrap_or_default().to_owned();
                red.push(FailedTest { name, repeat });
            }
        }
        let stop = !red.is_empty() && NEEDED.contains(name);
        outcomes.push(Outcome {
            step: name,
            seconds: begin.elapsed().as_secs(),
            red,
        });
        if stop {
            break;
        }
    }
    println!("\n{}", table(&outcomes));
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.red.is_empty())
        .map(|outcome| outcome.step)
        .collect();
    if failed.is_empty() {
        say("all passed");
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

/// The table of steps and times, and each failed test with the command that repeats it.
fn table(outcomes: &[Outcome]) -> String {
    let mut lines = vec![
        "| step | seconds | |".to_owned(),
        "|---|---:|---|".to_owned(),
    ];
    for Outcome { step, seconds, red } in outcomes {
        let colour = if red.is_empty() { "green" } else { "red" };
        lines.push(format!("| {step} | {seconds} | {colour} |"));
    }
    let total: u64 = outcomes.iter().map(|outcome| outcome.seconds).sum();
    lines.push(format!("| all | {total} | |"));
    for FailedTest { name, repeat } in outcomes.iter().flat_map(|outcome| &outcome.red) {
        lines.push(format!("red: {name}\n     {repeat}"));
    }
    lines.join("\n")
}

fn format() -> Result<()> {
    execute(&mut cargo(&["fmt", "--all", "--check"]))?;
    for manifest in OUTSIDE {
        execute(&mut cargo(&["fmt", "--manifest-path", manifest, "--check"]))?;
    }
    Ok(())
}

fn lint() -> Result<()> {
    const STRICT: [&str; 3] = ["--", "-D", "warnings"];
    execute(workspace_cargo("clippy", &["--all-targets"]).args(STRICT))?;
    let with_log = ["--lib", "--features=sensor/bpf-log"];
    execute(workspace_cargo("clippy", &with_log).args(STRICT))?;
    for manifest in OUTSIDE {
        let mut clippy = cargo(&["clippy", "--locked", "--manifest-path", manifest]);
        clippy.args(STRICT);
        execute(&mut clippy)?;
    }
    no_host_names()
}

/// Checks that the repository names no network host but those of documents and licences.
fn no_host_names() -> Result<()> {
    let mut grep = crate::shell::command("git", &["grep", "-nIE"]);
    grep.arg(r"(index\.crates|static\.rust-lang|deb\.debian|registry\.npmjs|pypi)\.[a-z]+");
    grep.args(["--", ":!*.lock", ":!xtask/src/test/mod.rs"]);
    match grep.status()?.code() {
        Some(1) => Ok(()),
        _ => bail!("the lines above name a host of the network"),
    }
}

fn unit(red: &mut Vec<FailedTest>) -> Result<()> {
    // Binaries by name: otherwise the fuzz targets would start to fuzz.
    let targets = [
        "--no-fail-fast",
        "--lib",
        "--bin=xtask",
        "--bin=sensor",
        "--test=allocations",
    ];
    let test = workspace_cargo("test", &targets);
    run_tests(test, red)?;
    let examples = workspace_cargo("test", &["--no-fail-fast", "--doc"]);
    run_tests(examples, red)
}

fn docs() -> Result<()> {
    let mut doc = workspace_cargo("doc", &["--no-deps", "--document-private-items"]);
    execute(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn integration(arguments: &Arguments, red: &mut Vec<FailedTest>) -> Result<()> {
    let mut test = integration_tests();
    let objects = setup::objects(Machine::host())?;
    if let Some(directory) = objects.first().and_then(|object| object.parent()) {
        test.env("SENSOR_BPF_OBJECTS", directory);
    }
    test.args(["--test", "*"]);
    if let Some(filter) = &arguments.filter {
        test.args(["--", filter]);
    }
    let companion = companion::start()?;
    let outcome = run_tests(test, red);
    // Reports both errors.
    companion.finish().and(outcome)
}

/// The tests in a real Kubernetes, which the step `integration` leaves out: each is ignored.
fn cluster(arguments: &Arguments, red: &mut Vec<FailedTest>) -> Result<()> {
    if ci::since_the_beginning() > LATEST_CLUSTER {
        say("left out for lack of time: a real Kubernetes (`cargo xtask test cluster`)");
        return Ok(());
    }
    let Some(materials) = cluster::materials()? else {
        return Ok(());
    };
    let mut test = integration_tests();
    test.args(["--test", "cluster", "--", "--ignored"]);
    // One that waits on a quiet node, and the others, which share a cluster.
    test.arg("--test-threads=2").args(&arguments.filter);
    materials.name_to(&mut test);
    let outcome = run_tests(test, red);
    red.iter_mut().for_each(repeat_in_a_cluster);
    outcome
}

/// A test in a cluster is repeated by the step, which names the programs to the test.
fn repeat_in_a_cluster(test: &mut FailedTest) {
    if let Some((_, name)) = test.name.split_once("cluster: ") {
        test.repeat = format!("cargo xtask test cluster --filter {name}");
    }
}

/// The command that runs integration tests, as root.
fn integration_tests() -> Command {
    let mut test = workspace_cargo("test", &["--no-fail-fast"]);
    if !is_root() {
        // Cargo runs as the user, and the tests as root.
        let target = env!("TARGET").to_uppercase().replace('-', "_");
        test.env(
            format!("CARGO_TARGET_{target}_RUNNER"),
            "sudo --preserve-env",
        );
    }
    test.current_dir(root());
    test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_in_a_cluster_is_repeated_by_the_step() {
        let mut red = FailedTest {
            name: "cluster: faults::it_stays".to_owned(),
            repeat: "cargo test".to_owned(),
        };
        repeat_in_a_cluster(&mut red);
        let command = "cargo xtask test cluster --filter faults::it_stays";
        assert_eq!(red.repeat, command);
    }

    #[test]
    fn the_table_ends_with_each_red_test_and_the_command_that_repeats_it() {
        let red = FailedTest {
            name: "life: it_ends".to_owned(),
            repeat: "cargo test -p tests --test life -- --exact it_ends".to_owned(),
        };
        let outcomes = [("unit", 61, Vec::new()), ("integration", 300, vec![red])];
        let table = table(&outcomes.map(|(step, seconds, red)| Outcome { step, seconds, red }));
        assert_eq!(
            table,
            "| step | seconds | |\n|---|---:|---|\n| unit | 61 | green |\n\
             | integration | 300 | red |\n| all | 361 | |\n\
             red: life: it_ends\n     cargo test -p tests --test life -- --exact it_ends"
        );
    }
}
