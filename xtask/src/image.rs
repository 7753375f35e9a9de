//! `cargo xtask image`: the sensor as an OCI archive, without a container engine.
//!
//! A static binary (glibc, `crt-static`) with its bill of materials and licences, and no other
//! file; equal sources give equal bytes. `ctr image import` reads the archive.

mod binary;
mod layer;
mod licences;
mod oci;
mod packages;
mod sbom;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::{
    build,
    cross::Build,
    machine::Machine,
    setup,
    shell::{command, output, root, say, target},
};

/// Largest accepted size of the archive, in bytes.
const LIMIT: u64 = 20 * 1024 * 1024;

/// Options of `cargo xtask image`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pack this binary instead of building one
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Target to build for: `aarch64-unknown-linux-gnu` is for arm64
    #[arg(long, default_value = Machine::host().target())]
    target: String,
    /// Name of the image
    #[arg(long, default_value_t = name())]
    name: String,
    /// The archive to write [default: target/image/sensor-VERSION-ARCH.oci.tar]
    #[arg(long)]
    output: Option<PathBuf>,
}

/// Builds and packs the sensor for this machine; returns the path of the archive.
pub(crate) fn of_this_machine() -> Result<PathBuf> {
    make(&Arguments {
        binary: None,
        target: Machine::host().target().to_owned(),
        name: name(),
        output: None,
    })
}

/// The name of the image, as `deploy/` has it.
fn name() -> String {
    format!("localhost/sensor:{}", env!("CARGO_PKG_VERSION"))
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    make(arguments).map(drop)
}

/// Builds and packs the sensor, and prints where the archive is; returns its path.
fn make(arguments: &Arguments) -> Result<PathBuf> {
    let machine = Machine::of_target(&arguments.target)?;
    let architecture = machine.debian();
    setup::run(setup::Arguments::default())?;
    let (build, path) = match &arguments.binary {
        Some(path) => (Build::of(Machine::host())?, path.clone()),
        None => build::sensor(machine)?,
    };
    let sensor = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    binary::check_static(&sensor).with_context(|| path.display().to_string())?;

    let packages = packages::of_the_sensor(&arguments.target)?;
    let created = source_time();
    let layer = layer::build(
        &sensor,
        &sbom::document(&packages, &sbom::Toolchain::of(&build)?, created)?,
        &licences::text(&packages)?,
        created,
    )?;
    let image = oci::archive(&arguments.name, architecture, &layer, created)?;

    let file = arguments.output.clone().unwrap_or_else(|| {
        let name = format!(
            "sensor-{}-{architecture}.oci.tar",
            env!("CARGO_PKG_VERSION")
        );
        target().join("image").join(name)
    });
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    fs::write(&file, &image.bytes).with_context(|| format!("cannot write {}", file.display()))?;
    say(format_args!("{} {}", arguments.name, image.digest));
    say(format_args!(
        "{}: {} KiB (the binary {} KiB)",
        file.display(),
        image.bytes.len() / 1024,
        sensor.len() / 1024
    ));
    ensure!(
        image.bytes.len() as u64 <= LIMIT && sensor.len() as u64 <= LIMIT,
        "more than {} MiB: look at what the binary links (cargo tree -p sensor -e normal)",
        LIMIT / 1024 / 1024
    );
    Ok(file)
}

/// The time of every file in the image, in seconds since the epoch: `SOURCE_DATE_EPOCH`, or the
/// time of the last commit, or 0.
fn source_time() -> u64 {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    let commit = || {
        let root = root().to_string_lossy().into_owned();
        output(&mut command(
            "git",
            &["-C", &root, "log", "-1", "--format=%ct"],
        ))
        .ok()
    };
    epoch
        .or_else(commit)
        .and_then(|seconds| seconds.trim().parse().ok())
        .unwrap_or(0)
}
