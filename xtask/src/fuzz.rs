//! `cargo xtask fuzz`: the targets of `fuzz/`, each for a bounded time, side by side, on the stable
//! compiler.
//!
//! Coverage instrumentation is a pass of LLVM that stable rustc can run (`cargo fuzz --sanitizer none`
//! does the same), so the command installs nothing else. It instruments this workspace's crates alone;
//! the dependencies are built as for the unit tests.

use std::{
    fs,
    num::NonZero,
    panic::resume_unwind,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, ensure};

use crate::shell::{command, output, root, run as execute, say, target, workspace_cargo};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this target (default: all of them)
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            target: None,
            seconds: 10,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = root().join("fuzz");
    let mut targets = Vec::new();
    for entry in fs::read_dir(directory.join("targets"))? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if arguments
            .target
            .as_ref()
            .is_none_or(|wanted| *wanted == name)
        {
            targets.push(name);
        }
    }
    ensure!(
        !targets.is_empty(),
        "no such target in fuzz/targets: {:?}",
        arguments.target
    );
    targets.sort();

    let mut build = workspace_cargo("build", &["--bin", "fuzz-*"]);
    let wrapper = root().join("xtask/fuzz/rustc.sh");
    execute(build.env("RUSTC_WORKSPACE_WRAPPER", wrapper))?;
    side_by_side(&targets, |name| one(&directory, name, arguments.seconds))
}

/// Calls a function with each item, on as many threads as there are CPUs; an error names the items
/// that failed.
fn side_by_side(names: &[String], work: impl Fn(&str) -> Result<()> + Sync) -> Result<()> {
    let left = Mutex::new(names.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let mut outcome = Ok(());
        while let Some(name) = next() {
            outcome = outcome.and(work(name));
        }
        outcome
    };
    thread::scope(|scope| {
        let cpus = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..cpus).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .fold(Ok(()), Result::and)
    })
}

/// Runs a target on its former inputs and on the committed corpus.
fn one(directory: &Path, name: &str, seconds: u32) -> Result<()> {
    let program = target().join("debug").join(format!("fuzz-{name}"));
    let found = target().join("fuzz/found").join(name);
    let artifacts = target().join("fuzz/artifacts").join(name);
    for path in [&found, &artifacts] {
        fs::create_dir_all(path).with_context(|| path.display().to_string())?;
    }
    let mut fuzzer = command(program, &[]);
    fuzzer.arg(found).arg(directory.join("corpus").join(name));
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer.args([
        "-max_len=16384",
        "-rss_limit_mb=1024",
        "-timeout=5",
        "-verbosity=0",
    ]);
    output(&mut fuzzer)
        .with_context(|| format!("{name} failed; the input is in {}", artifacts.display()))?;
    say(format_args!("{name}: nothing found in {seconds} s"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn all_are_done_though_one_fails() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let done = Mutex::new(Vec::new());
        let outcome = side_by_side(&names, |name| {
            done.lock().expect("no panic").push(name.to_owned());
            if name == "b" {
                bail!("found")
            }
            Ok(())
        });
        assert!(outcome.is_err());
        let mut done = done.into_inner().expect("no panic");
        done.sort();
        assert_eq!(done, names);
    }
}
