//! Building for a guest's processor, which may be another than this machine's.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{machine::Machine, packages};
use crate::{
    setup::install_for_arm64,
    shell::{cargo, command, has, output, run, say, target},
};

/// How cargo builds for a processor.
pub(super) struct Build {
    options: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    /// Where the binaries of a profile are.
    directory: PathBuf,
}

impl Build {
    /// Installs what is missing for that.
    pub(super) fn of(machine: Machine) -> Result<Self> {
        if machine == Machine::host() {
            return Ok(Self {
                options: Vec::new(),
                variables: Vec::new(),
                directory: target(),
            });
        }
        ensure!(
            machine == Machine::Arm64,
            "{} is built on such a machine only",
            machine.debian()
        );
        install_for_arm64()?;
        // Debian's compiler may be another one than that of the host's programs.
        let directory = target().join(machine.debian());
        Ok(Self {
            options: vec![
                "--target".into(),
                machine.target().into(),
                "--target-dir".into(),
                directory.clone().into(),
            ],
            variables: compiler(machine)?,
            directory: directory.join(machine.target()),
        })
    }

    /// A command of cargo that builds.
    pub(super) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = cargo(arguments);
        cargo.args(&self.options);
        for (name, value) in &self.variables {
            cargo.env(name, value);
        }
        cargo
    }

    /// Builds the sensor for release; where it is then.
    pub(super) fn sensor(&self) -> Result<PathBuf> {
        run(&mut self.cargo(&["build", "--release", "--package", "sensor"]))?;
        Ok(self.directory.join("release/sensor"))
    }
}

/// Variables by which cargo finds a linker, and a compiler that has the standard library: this
/// one, if rustup adds it, or Debian's with the library from the package of the other processor.
fn compiler(machine: Machine) -> Result<Vec<(String, OsString)>> {
    let target = machine.target();
    let variable = |name: &str| {
        let target = target.to_uppercase().replace('-', "_");
        format!("CARGO_TARGET_{target}_{name}")
    };
    let linker = format!("{}-gcc", machine.triplet());
    let mut variables = vec![(variable("LINKER"), linker.into())];
    if has_library(target) || added_by_rustup(target) {
        return Ok(variables);
    }
    let rustc = Path::new("/usr/bin/rustc");
    let owner = output(command("dpkg-query", &["--search"]).arg(rustc))
        .context("rustup cannot add the standard library, and there is no compiler of Debian's")?;
    let (owner, _) = owner.split_once(':').unwrap_or((&owner, ""));
    let show = ["--show", "--showformat=${Version}", owner];
    let version = output(&mut command("dpkg-query", &show))?;
    let library = match owner {
        "rustc-web" => "libstd-rust-web-dev",
        _ => "libstd-rust-dev",
    };
    let unpacked = packages::unpack(machine, library, &version)?.join("usr");
    say(format_args!(
        "compiler for {target}: {} with {}",
        rustc.display(),
        unpacked.display()
    ));
    variables.push(("RUSTC".to_owned(), rustc.into()));
    let flag = format!("--sysroot={}", unpacked.display());
    variables.push((variable("RUSTFLAGS"), flag.into()));
    Ok(variables)
}

fn has_library(target: &str) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let directory = ["--print", "target-libdir", "--target", target];
    output(&mut command(rustc, &directory)).is_ok_and(|path| Path::new(&path).is_dir())
}

fn added_by_rustup(target: &str) -> bool {
    has("rustup") && output(&mut command("rustup", &["target", "add", target])).is_ok()
}
