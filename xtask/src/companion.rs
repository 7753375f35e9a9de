//! The companion: a sensor of the same build that watches the whole machine while the integration
//! tests run (`tests/harness/src/companion.rs`).
//!
//! A process of its own keeps the companion, for two reasons: loading eBPF programs needs root,
//! which this one may not be; and this process may be killed. The keeper stops the sensor when its
//! standard input ends, whoever closes that.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, stdin},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdout, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::shell::{command, is_root, say};

/// What the keeper prints once the companion is ready.
const READY: &str = "ready";

/// The keeper, as `cargo xtask test` sees it. The companion ends with this, at the latest.
pub(crate) struct Companion {
    keeper: Child,
    said: BufReader<ChildStdout>,
}

/// Starts a companion, and waits until it sees what happens on the machine.
pub(crate) fn start() -> Result<Companion> {
    let own = env::current_exe().context("this program's path")?;
    let mut keeper = if is_root() {
        let mut keeper = command(own, &[]);
        // ^C ends this process, whose end ends the companion in order.
        keeper.process_group(0);
        keeper
    } else {
        // In this process's group, so that sudo can ask for a password.
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
    /// Stops it. An error if it lost an event, or did not see.
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

/// The keeper: `cargo xtask companion`, until standard input ends.
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
