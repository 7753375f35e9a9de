//! `cargo xtask build`: the optimized sensor.
//!
//! There is only one optimized build: the image contains it, and tests, guests and benchmarks run
//! it.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    cross::Build,
    machine::Machine,
    setup,
    shell::{root, run as execute, say},
};

pub(crate) fn run() -> Result<PathBuf> {
    setup::run(setup::Arguments::default())?;
    let (_, sensor) = sensor(Machine::host())?;
    say(format_args!("built {}", sensor.display()));
    Ok(sensor)
}

/// Builds the sensor for a processor; returns the build's settings and the path of the binary.
///
/// The binary is linked statically with glibc: not every distribution has musl's standard library,
/// and static glibc resolves names through DNS and `/etc/hosts` without plug-ins. The build
/// replaces paths of this machine, so that another checkout gives the same bytes.
pub(crate) fn sensor(machine: Machine) -> Result<(Build, PathBuf)> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("neither CARGO_HOME nor a home directory is set")?;
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Cstrip=symbols".to_owned(),
        format!("--remap-path-prefix={}=/src", root().display()),
        format!("--remap-path-prefix={}=/cargo", home.display()),
    ];
    let build = Build::naming_the_target(machine)?.flags(flags);
    let arguments = [
        "build",
        "--profile",
        "dist",
        "--locked",
        "--package",
        "sensor",
    ];
    execute(&mut build.cargo(&arguments))?;
    let path = build.binaries("dist").join("sensor");
    Ok((build, path))
}
