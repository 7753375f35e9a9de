//! The companion: a sensor of the same build that watches the whole machine while the integration
//! tests run (`tests/harness/src/companion.rs`).
//!
//! A process of its own keeps the companion, for two reasons: loading eBPF programs needs root, and
//! this process need not be root; and somebody can kill this process. The keeper stops the sensor
//! when its standard input ends, for whatever reason.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, stdin},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdout, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::shell::{command, is_root, say};

/// The line of the keeper when the companion is ready.
const READY: &str = "ready";

/// The keeper, as `cargo xtask test` uses it. The companion ends at the latest when this value is
/// dropped.
pub(crate) struct Companion {
    keeper: Child,
    said: BufReader<ChildStdout>,
}

/// Starts a companion, and waits until it sees events.
pub(crate) fn start() -> Result<Companion> {
    let own = env::current_exe().context("this program's path")?;
    let mut keeper = if is_root() {
        let mut keeper = command(own, &[]);
        // ^C ends this process, and so the companion ends in order.
        keeper.process_group(0);
        keeper
    } else {
        // In the process group of this process, so that sudo can ask for a password.
        let mut sudo = command("sudo", &["--preserve-env"]);
        sudo.arg(own);
        sudo
    };
    keeper.arg("companion");
    keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut keeper = keeper.spawn().context("cannot start the companion")?;
    let said = keeper.stdout.take().context("the pipe is there")?;
    let mut companion = Companion {
        keeper,
        said: BufReader::new(said),
    };
    let mut line = String::new();
    companion.said.read_line(&mut line)?;
    ensure!(
        line.trim() == READY,
        "the companion does not come up; why is above"
    );
    Ok(companion)
}

impl Companion {
    /// Stops the companion. An error if it lost an event, or saw no events.
    pub(crate) fn finish(mut self) -> Result<()> {
        drop(self.keeper.stdin.take());
        let mut report = String::new();
        self.said.read_to_string(&mut report)?;
        let status = self.keeper.wait()?;
        report.lines().for_each(say);
        ensure!(
            status.success(),
            "the companion, a sensor of the whole machine beside the tests, did not do well: {}",
            report.lines().collect::<Vec<_>>().join("; ")
        );
        Ok(())
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// `cargo xtask companion`: keeps a companion until standard input ends.
pub(crate) fn keep() -> Result<()> {
    let companion = harness::Companion::start();
    println!("{READY}");
    let mut rest = Vec::new();
    stdin().read_to_end(&mut rest)?;
    let company = companion.finish();
    println!("{}", company.summary());
    let defects = company.defects();
    for defect in &defects {
        println!("{defect}");
    }
    if !defects.is_empty() {
        eprintln!("{}", company.stderr());
    }
    ensure!(defects.is_empty(), "the companion has defects");
    Ok(())
}
