//! Running programs: each is shown before it runs, and its failure is an error.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

/// The directory of the workspace.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// A command in the workspace's directory.
pub(crate) fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The cargo that runs this.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = command(
        env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        arguments,
    );
    // Set for this process by the cargo that runs it. Another crate's manifest is none of its
    // business, and build scripts that look at these would run again after each plain `cargo build`.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_xtask = ["CARGO_BIN_", "CARGO_MANIFEST_", "CARGO_PKG_"];
        if text == "RUSTC" || of_xtask.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command run by root: with `sudo`, if this process is not.
pub(crate) fn as_root(program: &str, arguments: &[&str]) -> Command {
    if is_root() {
        return command(program, arguments);
    }
    let mut sudo = command("sudo", &[program]);
    sudo.args(arguments);
    sudo
}

/// Says what is done.
pub(crate) fn say(text: impl std::fmt::Display) {
    println!("xtask: {text}");
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command whose output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    say(format_args!("$ {}", shown(command)));
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// Runs a command without showing it; returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} ended with {}:\n{}",
            shown(command),
            output.status,
            text.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program is in `PATH`, or where the system keeps those for root.
pub(crate) fn has(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(program).is_file())
}
