//! `cargo xtask test`: everything that must pass, step by step.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{
    build, fuzz,
    machine::Machine,
    setup,
    shell::{cargo, is_root, root, run as execute, say},
    vm,
};

#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Only these steps
    #[arg(value_parser = STEPS.iter().map(|step| step.0).collect::<Vec<_>>())]
    steps: Vec<String>,
    /// Only integration tests whose names contain this
    #[arg(long)]
    filter: Option<String>,
}

type Step = (&'static str, fn(&Arguments) -> Result<()>);

/// The steps in their order: what fails soonest comes first. One that fails does not keep the
/// others from being run, if it is none of [`NEEDED`].
const STEPS: &[Step] = &[
    ("setup", |_| setup::run(setup::Arguments { tests: true })),
    ("format", |_| format()),
    ("lint", |_| lint()),
    ("unit", |_| unit()),
    ("docs", |_| docs()),
    ("release", |_| build::sensor(Machine::host()).map(drop)),
    ("integration", integration),
    ("vm", |_| vm::short()),
    ("fuzz", |_| fuzz::run(&fuzz::Arguments::default())),
];

/// Steps that later ones stand on.
const NEEDED: &[&str] = &["setup", "release"];

/// Crates outside the workspace.
const OUTSIDE: &[&str] = &["sensor-ebpf/Cargo.toml"];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted =
        |name: &str| arguments.steps.is_empty() || arguments.steps.iter().any(|step| step == name);
    let mut times = Vec::new();
    let mut failed = Vec::new();
    for (name, step) in STEPS.iter().filter(|(name, _)| wanted(name)) {
        say(format_args!("---- {name}"));
        let begin = Instant::now();
        let outcome = step(arguments).with_context(|| format!("step {name}"));
        times.push(format!("{name} {:.0} s", begin.elapsed().as_secs_f64()));
        if let Err(error) = outcome {
            say(format_args!("{error:#}"));
            failed.push(*name);
            if NEEDED.contains(name) {
                break;
            }
        }
    }
    say(format_args!("{}", times.join(", ")));
    if failed.is_empty() {
        say(format_args!("all passed"));
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
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
    execute(cargo(&["clippy", "--workspace", "--all-targets", "--locked"]).args(STRICT))?;
    execute(cargo(&["clippy", "-psensor", "-Fbpf-log", "--tests", "--locked"]).args(STRICT))?;
    for manifest in OUTSIDE {
        let mut clippy = cargo(&["clippy", "--locked", "--manifest-path", manifest]);
        clippy.args(STRICT);
        execute(&mut clippy)?;
    }
    no_host_names()
}

/// The repository names no host of the network but those of documents and licences.
fn no_host_names() -> Result<()> {
    let mut grep = crate::shell::command("git", &["grep", "-nIE"]);
    grep.arg(r"(index\.crates|static\.rust-lang|deb\.debian|registry\.npmjs|pypi)\.[a-z]+");
    grep.args(["--", ":!*.lock", ":!xtask/src/test.rs"]);
    match grep.status()?.code() {
        Some(1) => Ok(()),
        _ => bail!("the lines above name a host of the network"),
    }
}

fn unit() -> Result<()> {
    let mut test = cargo(&["test", "--locked", "--no-fail-fast"]);
    for package in ["sensor", "xtask", "harness"] {
        test.args(["--package", package]);
    }
    execute(&mut test)?;
    execute(&mut cargo(&[
        "test",
        "--locked",
        "--package",
        "tests",
        "--lib",
    ]))
}

fn docs() -> Result<()> {
    let mut doc = cargo(&[
        "doc",
        "--locked",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    execute(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn integration(arguments: &Arguments) -> Result<()> {
    let mut test = cargo(&[
        "test",
        "--locked",
        "--package",
        "tests",
        "--tests",
        "--no-fail-fast",
    ]);
    if !is_root() {
        // Cargo runs as the user, the tests as root.
        let target = env!("TARGET").to_uppercase().replace('-', "_");
        test.env(
            format!("CARGO_TARGET_{target}_RUNNER"),
            "sudo --preserve-env",
        );
    }
    if let Some(filter) = &arguments.filter {
        test.args(["--", filter]);
    }
    execute(test.current_dir(root()))
}
