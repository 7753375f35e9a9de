//! Runs programs: prints each command before it runs; a failure is an error.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::progress;

/// The directory of the workspace.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The target directory of cargo.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// A directory that all checkouts of this user share: that of a variable, or one of the user's cache.
///
/// # Errors
/// If there is neither the variable nor a home directory.
pub(crate) fn cache(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(directory) = env::var_os(variable) {
        return Ok(directory.into());
    }
    let home = env::home_dir().with_context(|| format!("no home directory: set {variable}"))?;
    Ok(env::var_os("XDG_CACHE_HOME")
        .map_or(home.join(".cache"), PathBuf::from)
        .join(name))
}

/// A command in the workspace's directory.
pub(crate) fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The cargo that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = command(
        env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        arguments,
    );
    // The cargo that runs this process has set these variables for xtask's manifest. Build scripts
    // that read them would run again after each plain `cargo build`.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_xtask = ["CARGO_BIN_", "CARGO_MANIFEST_", "CARGO_PKG_"];
        if text == "RUSTC" || of_xtask.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// A command of cargo for targets of the workspace: `test`, with `--test life`.
///
/// Cargo chooses the features of dependencies by the selected packages. This function always
/// selects all packages, so that each dependency is compiled once.
pub(crate) fn workspace_cargo(subcommand: &str, arguments: &[&str]) -> Command {
    let mut cargo = cargo(&[subcommand, "--locked", "--workspace"]);
    cargo.args(arguments);
    cargo
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command as root: with `sudo`, if this process is not root.
pub(crate) fn as_root(program: &str, arguments: &[&str]) -> Command {
    if is_root() {
        return command(program, arguments);
    }
    let mut sudo = command("sudo", &[program]);
    sudo.args(arguments);
    sudo
}

/// Prints what the command does.
pub(crate) fn say(text: impl std::fmt::Display) {
    println!("xtask: {text}");
}

/// Prints that the command skips a check because the machine lacks something.
///
/// # Errors
/// With `CI=true`, where no check may be skipped.
pub(crate) fn left_out(what: impl std::fmt::Display) -> Result<()> {
    if in_ci() {
        bail!("left out: {what}; with CI=true nothing may be");
    }
    say(format_args!("left out: {what}"));
    Ok(())
}

/// Whether this is a run of CI (`CI=true`).
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}

/// The words of a command as text.
pub(crate) fn shown(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command with the standard output of this process, and prints every few seconds what it
/// does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    say(format_args!("$ {}", shown(command)));
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    let status = progress::beside(child.id(), || child.wait())?;
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

/// Whether a program is in `PATH`, or in the system's directories for root.
pub(crate) fn has(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(program).is_file())
}
