//! `cargo xtask build`: the sensor as it ships.
//!
//! There is one optimized build of it: what is in the image is what the tests, the guests and the
//! benches run.

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

/// Builds it for a processor; how, and the path of what was built.
///
/// Static glibc, because musl's standard library is not in every distribution, and because
/// this one resolves names through DNS and `/etc/hosts` without any plug-in. The paths of this
/// machine are replaced, so that another checkout gives the same bytes.
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
