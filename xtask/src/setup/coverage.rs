//! cargo-llvm-cov, and tools of LLVM that read what the compiler's instrumentation writes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{bpf::llvm_major, packages::apt_install};
use crate::shell::{cargo, command, has, output, run, say};

/// The newest version of cargo-llvm-cov that compiles with the workspace's Rust.
const VERSION: &str = "0.9.1";

/// Installs what is missing; returns the variables by which cargo-llvm-cov finds the tools.
pub(super) fn tools() -> Result<Vec<(&'static str, PathBuf)>> {
    if output(&mut cargo(&["llvm-cov", "--version"])).is_err() {
        say("missing: cargo-llvm-cov (coverage)");
        let mut install = cargo(&["install", "--quiet", "--locked", "cargo-llvm-cov"]);
        run(install.args(["--version", VERSION]))?;
    }
    if has("rustup") && run(&mut command("rustup", &["component", "add", "llvm-tools"])).is_ok() {
        return Ok(Vec::new()); // where cargo-llvm-cov looks by itself
    }
    let major = llvm_major(Path::new("rustc"))?;
    let tool = |name: &str| PathBuf::from(format!("/usr/bin/{name}-{major}"));
    let found = [
        ("LLVM_COV", tool("llvm-cov")),
        ("LLVM_PROFDATA", tool("llvm-profdata")),
    ];
    let missing = || found.iter().find(|(_, path)| !path.exists());
    if missing().is_some() {
        say(format_args!("missing: llvm-{major} (coverage)"));
        apt_install(&[&format!("llvm-{major}")]).context("no tools of the compiler's LLVM")?;
    }
    ensure!(
        missing().is_none(),
        "llvm-{major} has no {missing:?}",
        missing = missing()
    );
    Ok(found.into())
}
