//! `cargo xtask vm`: the integration tests on other kernels, in QEMU.
//!
//! Kernels are Debian's packages; the guest's root file system has busybox, the sensor, the tests
//! and their libraries. A boot takes seconds, also without hardware virtualization.

mod cpio;
mod image;
mod kernel;
mod qemu;
mod report;
mod share;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use kernel::Kernel;
use report::Report;

use crate::{
    build,
    cross::Build,
    debian,
    machine::Machine,
    setup::{install_for_arm64_vm, install_for_vm, objects},
    shell::{output, run as execute, say, target},
    test::FailedTest,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A kernel series, or `all`; repeatable. By default the oldest and the newest, and with
    /// `--share` the one of Debian's stable release
    #[arg(long)]
    kernel: Vec<String>,
    /// The guest's processor; by default that of this machine
    #[arg(long, value_enum)]
    arch: Option<Machine>,
    /// How the guest mounts cgroups: v2, hybrid or v1
    #[arg(long, default_value = "v2", value_parser = ["v2", "hybrid", "v1"])]
    cgroup: String,
    /// Time limit for a kernel, in seconds
    #[arg(long, default_value_t = 3600)]
    timeout: u64,
    /// List the kernels
    #[arg(long)]
    list: bool,
    /// Logs on an NFS share: a guest that is server and client, and what both can suffer
    #[arg(long)]
    share: bool,
    /// Only test programs whose names contain one of these
    #[arg(last = true)]
    tests: Vec<String>,
}

/// The kernels that the sensor supports.
const ALL: [&str; 6] = ["5.10", "6.1", "6.12", "6.18", "7.2", "7.3"];

fn oldest_and_newest() -> Vec<String> {
    let ends = [ALL.first(), ALL.last()].into_iter().flatten();
    ends.map(|series| (*series).to_owned()).collect()
}

/// Beginnings of the names of test programs that run in a guest.
const KINDS: [&str; 8] = [
    "backups",
    "call_",
    "connect_",
    "exec_",
    "node",
    "reload",
    "sabotage_",
    "verifier_",
];

/// Kernels that refuse programs on functions on arm64 (Linux can since 6.4).
const WITHOUT_FEXIT_ON_ARM64: [&str; 2] = ["5.10", "6.1"];

/// A test program that has no tests on other processors than amd64.
const ONLY_AMD64: &str = "connect_32bit";

/// Programs of the system that tests start; busybox's `ip` has no `neighbour`.
const SYSTEM: [&str; 3] = ["bpftool", "ip", "runc"];

/// Packages with these programs for another processor, and with libraries of the sensor and the
/// tests.
const PACKAGES: [&str; 5] = ["bpftool", "iproute2", "runc", "libc6", "libgcc-s1"];

/// The tests that `cargo xtask test` runs on the oldest and the newest kernel: minutes in
/// emulation.
const SHORT: [&str; 8] = [
    "call_setns",
    "connect_32bit",
    "connect_filter",
    "exec_argv",
    "exec_capabilities",
    "exec_failed",
    "sabotage_guest",
    "verifier_budget",
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    run_noting(arguments, &mut Vec::new())
}

/// As [`run`]; also notes the failed tests.
fn run_noting(arguments: &Arguments, red: &mut Vec<FailedTest>) -> Result<()> {
    let machine = arguments.arch.unwrap_or(Machine::host());
    match machine {
        Machine::Amd64 => install_for_vm()?,
        Machine::Arm64 => install_for_arm64_vm()?,
    }
    if arguments.list {
        println!("{}", debian::list(machine)?);
        return Ok(());
    }
    let payload = payload(machine, arguments)?;
    let series: Vec<String> = if arguments.kernel.iter().any(|series| series == "all") {
        ALL.map(str::to_owned).to_vec()
    } else if !arguments.kernel.is_empty() {
        arguments.kernel.clone()
    } else if arguments.share {
        vec![share::KERNEL.to_owned()]
    } else {
        oldest_and_newest()
    };
    let limit = Duration::from_secs(arguments.timeout);
    let reports: Vec<Report> = series
        .iter()
        .map(|series| one(series, &payload, limit))
        .collect();
    println!(
        "\n{}, cgroup {}\n\n{}",
        machine.debian(),
        payload.cgroup,
        report::table(&reports)
    );
    red.extend(reports.iter().flat_map(Report::red));
    ensure!(reports.iter().all(Report::passed), "not all kernels passed");
    Ok(())
}

/// Runs the tests that differ most between kernels on the oldest and the newest kernel.
pub(crate) fn short(red: &mut Vec<FailedTest>) -> Result<()> {
    let arguments = Arguments {
        kernel: Vec::new(),
        arch: None,
        cgroup: "v2".to_owned(),
        timeout: 1800,
        list: false,
        share: false,
        tests: SHORT.map(str::to_owned).to_vec(),
    };
    run_noting(&arguments, red)
}

/// Boots a kernel and runs the tests.
fn one(series: &str, payload: &image::Payload, limit: Duration) -> Report {
    let mut report = Report {
        series: series.to_owned(),
        ..Report::default()
    };
    if let Err(error) = fill(&mut report, payload, limit) {
        say(format_args!("{series}: {error:#}"));
        let text = format!("{error:#}");
        report.trouble = Some(text.lines().next().unwrap_or_default().to_owned());
    }
    report
}

fn fill(report: &mut Report, payload: &image::Payload, limit: Duration) -> Result<()> {
    let kernel = Kernel::fetch(payload.machine, &report.series)?;
    let directory = target().join("vm").join(payload.machine.debian());
    let directory = directory.join(&report.series);
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    report.release.clone_from(&kernel.release);
    let hooks = hooks(payload.machine, &report.series);
    let script = script(payload.tests.iter(), hooks)?;
    let initrd = image::build(&kernel, payload, &script)?;
    say(format_args!(
        "booting {} with {} MiB",
        kernel.release,
        initrd.len() >> 20
    ));
    let run = qemu::boot(payload.machine, &kernel, &initrd, &directory, limit)?;
    report.outcomes = report::read(&run.transcript);
    run.code.map(drop)
}

/// The sensor, the tests, and the programs that the tests start.
fn payload(machine: Machine, arguments: &Arguments) -> Result<image::Payload> {
    let (_, sensor) = build::sensor(machine)?;
    let objects = objects(machine)?;
    let kinds = if arguments.share {
        &share::TESTS
    } else {
        KINDS.as_slice()
    };
    let (tests, helpers) = test_programs(&Build::of(machine)?, kinds)?;
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let matches = |part: &String| name.contains(part.as_str());
        let there = machine == Machine::Amd64 || !name.starts_with(ONLY_AMD64);
        there && (arguments.tests.is_empty() || arguments.tests.iter().any(matches))
    };
    let tests: Vec<PathBuf> = tests.into_iter().filter(wanted).collect();
    ensure!(
        !tests.is_empty(),
        "no test program is named like {:?}",
        arguments.tests
    );
    let cgroup = match arguments.cgroup.as_str() {
        "v1" => "v1",
        "hybrid" => "hybrid",
        _ => "v2",
    };
    let is_own = machine == Machine::host();
    let mut packages = if is_own {
        Vec::new()
    } else {
        PACKAGES.to_vec()
    };
    if arguments.share {
        packages.extend(share::PACKAGES);
    }
    let mut roots = Vec::new();
    if !packages.is_empty() {
        roots.push(debian::root_of(machine, &packages)?);
    }
    if is_own {
        roots.push(PathBuf::from("/"));
    }
    let mut system: Vec<PathBuf> = SYSTEM
        .iter()
        .filter_map(|program| roots.iter().find_map(|root| find(root, program)))
        .collect();
    let mut files = Vec::new();
    if arguments.share {
        system.extend(share::programs(&roots[0])?);
        files.extend(share::files(&roots[0]));
    }
    Ok(image::Payload {
        machine,
        tests,
        programs: helpers.into_iter().chain([sensor]).chain(objects).collect(),
        system,
        files,
        modules: if arguments.share {
            &share::MODULES
        } else {
            &[]
        },
        roots,
        cgroup,
    })
}

/// The hook modes that a kernel allows: on arm64, the older kernels refuse programs on functions.
fn hooks(machine: Machine, series: &str) -> &'static str {
    if machine == Machine::Arm64 && WITHOUT_FEXIT_ON_ARM64.contains(&series) {
        "perf raw"
    } else {
        "fexit perf raw"
    }
}

/// The script that runs the tests in the guest, one after the other.
fn script<'a>(tests: impl Iterator<Item = &'a PathBuf>, hooks: &str) -> Result<String> {
    let mut script = format!(
        "export SENSOR_BIN=/work/sensor SENSOR_BPF_OBJECTS=/work SENSOR_TEST_GUEST=1 \
         SENSOR_TEST_HOOKS='{hooks}' RUST_BACKTRACE=0 SENSOR_TEST_PATIENCE=300; code=0"
    );
    for test in tests {
        let name = test
            .file_name()
            .context("a test has a name")?
            .to_string_lossy();
        write!(
            script,
            "\necho '{}{name}'; began=$(date +%s); ./{name} --test-threads=2 {} || code=1\
             \necho \"{}$(($(date +%s) - began))\"",
            report::PROGRAM,
            // The figures of these tests are interesting also if they pass.
            if name.starts_with("verifier_") {
                "--show-output"
            } else if share::TESTS.iter().any(|test| name.starts_with(test)) {
                "--show-output --ignored"
            } else {
                ""
            },
            report::SECONDS
        )?;
    }
    script.push_str("\nexit $code");
    Ok(script)
}

/// The path of a program of the system.
fn find(root: &Path, program: &str) -> Option<PathBuf> {
    ["usr/sbin", "usr/bin", "sbin", "bin"]
        .into_iter()
        // A link can lead out of the root of another processor, to a program of this machine.
        .filter_map(|directory| root.join(directory).join(program).canonicalize().ok())
        .find(|path| path.starts_with(root))
}

/// The integration tests whose names begin so, and the programs beside them.
fn test_programs(build: &Build, kinds: &[&str]) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    // For this machine the command selects all packages of the workspace, see `workspace_cargo`;
    // for another processor it builds only the tests.
    let selected = if build.is_foreign() {
        "--package=tests"
    } else {
        "--workspace"
    };
    let arguments = ["test", "--locked", selected, "--test", "*", "--no-run"];
    execute(&mut build.cargo(&arguments))?;
    let messages = output(
        build
            .cargo(&arguments)
            .args(["--message-format", "json", "--quiet"]),
    )?;
    let mut tests = Vec::new();
    for line in messages.lines() {
        let Some((_, rest)) = line.split_once("\"executable\":\"") else {
            continue;
        };
        let Some((path, _)) = rest.split_once('"') else {
            continue;
        };
        let path = PathBuf::from(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if kinds.iter().any(|kind| name.starts_with(kind)) {
            tests.push(path);
        }
    }
    let Some(deps) = tests.first().and_then(|test| test.parent()) else {
        bail!("cargo built no integration tests");
    };
    let beside = deps.parent().unwrap_or(deps);
    Ok((
        tests.clone(),
        ["actor", "storm"].map(|name| beside.join(name)).to_vec(),
    ))
}
