//! Builds for a processor that can differ from this machine's.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    debian,
    machine::Machine,
    setup::install_for_arm64,
    shell::{cargo, command, has, output, say, target},
};

/// The settings of cargo for a processor.
pub(crate) struct Build {
    options: Vec<OsString>,
    /// The processor, if it is not that of this machine.
    foreign: Option<Machine>,
    linker: String,
    /// The compiler, if it is not the default one of this machine.
    compiler: Option<&'static str>,
    flags: Vec<String>,
    directory: PathBuf,
}

impl Build {
    /// Settings for that processor; cargo's defaults if it is that of this machine.
    pub(crate) fn of(machine: Machine) -> Result<Self> {
        if machine == Machine::host() {
            return Ok(Self {
                options: Vec::new(),
                foreign: None,
                linker: "cc".to_owned(),
                compiler: None,
                flags: Vec::new(),
                directory: target(),
            });
        }
        Self::naming_the_target(machine)
    }

    /// As [`Self::of`], but always passes the target to cargo, so that flags do not apply to build
    /// scripts.
    pub(crate) fn naming_the_target(machine: Machine) -> Result<Self> {
        let mut build = Self {
            options: vec!["--target".into(), machine.target().into()],
            foreign: None,
            linker: "cc".to_owned(),
            compiler: None,
            flags: Vec::new(),
            directory: target().join(machine.target()),
        };
        if machine != Machine::host() {
            ensure!(
                machine == Machine::Arm64,
                "for {} it is built on such a machine only",
                machine.debian()
            );
            install_for_arm64()?;
            // Debian's compiler can have another version than the default one.
            let directory = target().join(machine.debian());
            build.directory = directory.join(machine.target());
            build
                .options
                .extend(["--target-dir".into(), directory.into()]);
            build.foreign = Some(machine);
            build.linker = format!("{}-gcc", machine.triplet());
            build.find_compiler(machine)?;
        }
        Ok(build)
    }

    /// Whether the processor differs from that of this machine.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign.is_some()
    }

    /// Passes further flags to the compiler.
    pub(crate) fn flags(mut self, flags: impl IntoIterator<Item = String>) -> Self {
        self.flags.extend(flags);
        self
    }

    /// A cargo command that builds.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = cargo(arguments);
        cargo.args(&self.options);
        if let Some(machine) = self.foreign {
            let target = machine.target().to_uppercase().replace('-', "_");
            cargo.env(format!("CARGO_TARGET_{target}_LINKER"), &self.linker);
        }
        if let Some(compiler) = self.compiler {
            cargo.env("RUSTC", compiler);
        }
        if !self.flags.is_empty() {
            cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\x1f"));
        }
        cargo
    }

    /// The linker: a C compiler.
    pub(crate) fn linker(&self) -> &str {
        &self.linker
    }

    /// The compiler.
    pub(crate) fn rustc(&self) -> OsString {
        let this = || env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        self.compiler.map_or_else(this, OsString::from)
    }

    /// The directory of the binaries of a profile.
    pub(crate) fn binaries(&self, profile: &str) -> PathBuf {
        self.directory.join(profile)
    }

    fn has_library(&self, target: &str) -> bool {
        let directory = ["--print", "target-libdir", "--target", target];
        output(&mut command(self.rustc(), &directory)).is_ok_and(|path| Path::new(&path).is_dir())
    }

    /// Finds a compiler with the standard library for the processor: the default one, if rustup
    /// adds the library, or Debian's, with the library from the package for the other processor.
    fn find_compiler(&mut self, machine: Machine) -> Result<()> {
        const DEBIANS: &str = "/usr/bin/rustc";
        let target = machine.target();
        if self.has_library(target) || added_by_rustup(target) {
            return Ok(());
        }
        let owner = output(command("dpkg-query", &["--search"]).arg(DEBIANS)).context(
            "rustup cannot add the standard library, and there is no compiler of Debian's",
        )?;
        let (owner, _) = owner.split_once(':').unwrap_or((&owner, ""));
        let show = ["--show", "--showformat=${Version}", owner];
        let version = output(&mut command("dpkg-query", &show))?;
        let library = match owner {
            "rustc-web" => "libstd-rust-web-dev",
            _ => "libstd-rust-dev",
        };
        let unpacked = debian::unpack(machine, library, &version)?.join("usr");
        say(format_args!(
            "compiler for {target}: {} with {}",
            DEBIANS,
            unpacked.display()
        ));
        self.compiler = Some(DEBIANS);
        self.flags.push(format!("--sysroot={}", unpacked.display()));
        Ok(())
    }
}

fn added_by_rustup(target: &str) -> bool {
    has("rustup") && output(&mut command("rustup", &["target", "add", target])).is_ok()
}
