//! Debian's packages for guests, for peers and for other processors; the module downloads those
//! that the cache lacks.

use std::{path::PathBuf, process::Stdio};

use anyhow::Result;

use crate::{
    machine::Machine,
    shell::{cache, command, output, root},
};

fn script(machine: Machine, arguments: &[&str]) -> Result<String> {
    let mut script = command(root().join("xtask/debian/packages.sh"), &[]);
    script
        .arg(cache("SENSOR_VM_CACHE", "sensor-vm")?)
        .arg(machine.debian())
        .args(arguments)
        .stderr(Stdio::inherit());
    output(&mut script)
}

/// The kernel series in Debian's archive.
pub(crate) fn list(machine: Machine) -> Result<String> {
    script(machine, &["list"])
}

/// A directory with the newest kernel of a series.
pub(crate) fn kernel(machine: Machine, series: &str) -> Result<PathBuf> {
    script(machine, &["kernel", series]).map(PathBuf::from)
}

/// A statically linked busybox.
pub(crate) fn busybox(machine: Machine) -> Result<PathBuf> {
    script(machine, &["busybox"]).map(PathBuf::from)
}

/// A directory with packages and the libraries that they need.
pub(crate) fn root_of(machine: Machine, names: &[&str]) -> Result<PathBuf> {
    script(machine, &[&["root"], names].concat()).map(PathBuf::from)
}

/// A directory with a newer QEMU for amd64 than this machine's suite has.
pub(crate) fn emulator() -> Result<PathBuf> {
    script(Machine::host(), &["emulator"]).map(PathBuf::from)
}

/// A directory with a package without its dependencies: of that version, or the newest.
pub(crate) fn unpack(machine: Machine, package: &str, version: &str) -> Result<PathBuf> {
    script(machine, &["unpack", package, version]).map(PathBuf::from)
}

/// A directory with a whole system of a suite, with these packages. Only root can make it.
pub(crate) fn system_of(suite: &str, packages: &[&str]) -> Result<PathBuf> {
    script(Machine::host(), &[&["bootstrap", suite], packages].concat()).map(PathBuf::from)
}
