//! Compiles the eBPF crate to an object. Used by the build script for the object that ships, and
//! by `cargo xtask` for the objects of the other compilers, which the tests hold to the same
//! budgets.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::tools::{Compiler, cargo_home};

/// Name of the package, its directory and its object.
pub(crate) const CRATE: &str = "sensor-ebpf";

/// What is compiled, and for which kernel.
pub(crate) struct Build<'a> {
    /// The repository.
    pub(crate) root: &'a Path,
    /// Where cargo builds, for all profiles of the sensor.
    pub(crate) target_dir: &'a Path,
    /// The BPF target, which says the byte order.
    pub(crate) target: &'a str,
    /// The processor, as `CARGO_CFG_TARGET_ARCH` names it.
    pub(crate) arch: &'a str,
    /// Whether the programs write log lines.
    pub(crate) log: bool,
}

impl Build<'_> {
    /// Compiles; the object's path, or the text of what went wrong.
    pub(crate) fn object(&self, compiler: &Compiler, linker: &Path) -> Result<PathBuf, String> {
        let log = if self.log { "-log" } else { "" };
        let directory = format!("{}-{}{log}", compiler.name, self.arch);
        let target_dir = self.target_dir.join("bpf").join(directory);
        let mut cargo = Command::new(&compiler.cargo);
        forget_the_running_cargo(&mut cargo);
        cargo
            .current_dir(self.root.join(CRATE))
            .args(["build", "--release", "--bins", "--locked"])
            .args(["--target", self.target, "--target-dir"])
            .arg(&target_dir)
            .env("RUSTC", &compiler.rustc)
            // For the unstable `asm_experimental_arch`, in these two crates.
            .env("RUSTC_BOOTSTRAP", "aya_ebpf,sensor_ebpf")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(linker));
        if self.log {
            cargo.args(["--features", "log"]);
        }
        if compiler.build_core {
            // build-std is unstable, so everything is let be.
            cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
        }
        run(&mut cargo)?;
        Ok(target_dir.join(self.target).join("release").join(CRATE))
    }

    fn flags(&self, linker: &Path) -> String {
        let arch = if self.arch.starts_with("riscv64") {
            "riscv64"
        } else {
            self.arch
        };
        let mut flags = vec![
            format!("--cfg=bpf_target_arch=\"{arch}\""),
            "-Cdebuginfo=2".to_owned(),
            format!("-Clinker={}", linker.display()),
            "-Clink-arg=--btf".to_owned(),
            // BTF's line information names source files: the same bytes wherever they lie.
            format!("--remap-path-prefix={}=.", self.root.display()),
        ];
        let home = cargo_home();
        flags.extend(home.map(|home| format!("--remap-path-prefix={}=cargo", home.display())));
        flags.join("\x1f")
    }
}

/// Removes what the cargo that runs this process has set: its own profile, wrapper and flags.
fn forget_the_running_cargo(command: &mut Command) {
    const SET: [&str; 5] = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"];
    const KEPT: [&str; 5] = [
        "CARGO_HOME",
        "CARGO_HTTP",
        "CARGO_NET",
        "CARGO_REGISTR",
        "CARGO_MAKEFLAGS",
    ];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let begins = |prefixes: [&str; 5]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        if begins(SET) && !begins(KEPT) {
            command.env_remove(&name);
        }
    }
    command.env_remove("LD_LIBRARY_PATH");
}

/// Runs a command; if it fails, its output is the error.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}:\n{text}", output.status))
}
