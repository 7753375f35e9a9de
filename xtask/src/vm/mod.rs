//! `cargo xtask vm`: the integration tests on other kernels, in QEMU.
//!
//! Kernels are Debian's packages; the guest's root is made of busybox, the sensor, the tests and
//! their libraries. A boot takes seconds, also without hardware virtualization.

mod cpio;
mod image;
mod kernel;
mod qemu;

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use kernel::Kernel;

use crate::{
    build,
    setup::install_for_vm,
    shell::{cargo, output, run as execute, say, target},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A kernel series, or `all`; repeatable
    #[arg(long, default_values_t = ["5.10".to_owned(), "7.2".to_owned()])]
    kernel: Vec<String>,
    /// How the guest mounts cgroups: v2, hybrid or v1
    #[arg(long, default_value = "v2", value_parser = ["v2", "hybrid", "v1"])]
    cgroup: String,
    /// Seconds that a kernel may take
    #[arg(long, default_value_t = 900)]
    timeout: u64,
    /// Say which kernels there are
    #[arg(long)]
    list: bool,
    /// Only test programs whose names contain one of these
    #[arg(last = true)]
    tests: Vec<String>,
}

/// The kernels that the sensor promises to run on.
const ALL: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.2"];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    install_for_vm()?;
    if arguments.list {
        println!("{}", kernel::list()?);
        return Ok(());
    }
    build::release()?;
    let payload = payload(arguments)?;
    let series: Vec<&str> = if arguments.kernel.iter().any(|series| series == "all") {
        ALL.to_vec()
    } else {
        arguments.kernel.iter().map(String::as_str).collect()
    };
    let mut table = Vec::new();
    for series in series {
        let result = one(series, &payload, Duration::from_secs(arguments.timeout));
        if let Err(error) = &result {
            say(format_args!("{series}: {error:#}"));
        }
        table.push((series, result));
    }
    println!("\n{:<8}{:<8}{:<28}result", "kernel", "cgroup", "release");
    for (series, result) in &table {
        let (release, word) = match result {
            Ok((release, 0)) => (release.as_str(), "passed".to_owned()),
            Ok((release, code)) => (release.as_str(), format!("failed with code {code}")),
            Err(error) => (
                "",
                error
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
        };
        println!("{series:<8}{:<8}{release:<28}{word}", payload.cgroup);
    }
    let passed = table.iter().all(|(_, result)| matches!(result, Ok((_, 0))));
    ensure!(passed, "not all kernels passed");
    Ok(())
}

/// Boots a kernel and runs the tests; returns its release and their exit code.
fn one(series: &str, payload: &image::Payload, limit: Duration) -> Result<(String, i32)> {
    let kernel = Kernel::fetch(series)?;
    let initrd = image::build(&kernel, payload)?;
    say(format_args!(
        "booting {} with {} MiB",
        kernel.release,
        initrd.len() >> 20
    ));
    let directory = target().join("vm").join(series);
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let code = qemu::boot(&kernel, &initrd, &directory, limit)?;
    Ok((kernel.release, code))
}

/// The sensor, the tests, and the programs that they start.
fn payload(arguments: &Arguments) -> Result<image::Payload> {
    let (tests, helpers) = test_programs()?;
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let matches = |part: &String| name.contains(part.as_str());
        arguments.tests.is_empty() || arguments.tests.iter().any(matches)
    };
    let tests: Vec<PathBuf> = tests.into_iter().filter(wanted).collect();
    ensure!(
        !tests.is_empty(),
        "no test program is named like {:?}",
        arguments.tests
    );
    let mut script =
        "export SENSOR_BIN=/work/sensor RUST_BACKTRACE=0 SENSOR_TEST_PATIENCE=300; code=0"
            .to_owned();
    for test in &tests {
        let name = test
            .file_name()
            .context("a test has a name")?
            .to_string_lossy();
        write!(
            script,
            "\necho '== {name}'; ./{name} --test-threads=2 || code=1"
        )?;
    }
    script.push_str("\nexit $code");
    let cgroup = match arguments.cgroup.as_str() {
        "v1" => "v1",
        "hybrid" => "hybrid",
        _ => "v2",
    };
    let programs = tests
        .into_iter()
        .chain(helpers)
        .chain([target().join("release/sensor")]);
    let system = ["/usr/sbin/runc", "/usr/bin/runc"].map(PathBuf::from);
    Ok(image::Payload {
        programs: programs.collect(),
        system: system
            .into_iter()
            .find(|path| path.exists())
            .into_iter()
            .collect(),
        script,
        cgroup,
    })
}

/// How the names of tests begin that need nothing but the kernel and runc.
const WANTED: [&str; 3] = ["exec_", "connect_", "reload"];

/// The integration tests of the kernel side, and the programs beside them.
fn test_programs() -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let arguments = ["test", "--package", "tests", "--tests", "--no-run"];
    execute(&mut cargo(&arguments))?;
    let messages = output(cargo(&arguments).args(["--message-format", "json", "--quiet"]))?;
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
        if WANTED.iter().any(|begin| name.starts_with(begin)) {
            tests.push(path);
        }
    }
    let Some(deps) = tests.first().and_then(|test| test.parent()) else {
        bail!("cargo built no integration tests");
    };
    let beside = deps.parent().unwrap_or(deps);
    Ok((
        tests.clone(),
        vec![beside.join("actor"), beside.join("storm")],
    ))
}
