//! Namespaces and cgroups of a machine of the cluster; see `tests/testbed/space.sh`.

use std::{
    fs::{self, File},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testbed/space.sh");
/// How long the end of a process may take before it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// A network namespace and a mount namespace, in which the programs of one machine run.
pub(super) struct Space {
    dir: PathBuf,
    /// The process that holds the namespaces.
    holder: Child,
}

impl Space {
    /// Makes them, with files in `dir`, and a cgroup for all that runs in them.
    pub(super) fn new(cgroup: &str, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let log = File::create(dir.join("space.log"))?;
        let mut holder = Command::new(SCRIPT)
            .args(["hold", cgroup])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("space.sh")?;
        let begin = Instant::now();
        while !dir.join("enter").exists() {
            if holder.try_wait()?.is_some() || begin.elapsed() > GRACE {
                let log = fs::read_to_string(dir.join("space.log"))?;
                bail!("the namespaces could not be made: {log}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        let dir = dir.to_owned();
        Ok(Self { dir, holder })
    }

    /// The folder of its files.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The process that holds the namespaces.
    pub(super) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A command in these namespaces and this cgroup.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(self.dir.join("enter"));
        command.arg(program).current_dir("/").stdin(Stdio::null());
        command
    }

    /// Calls a function in a thread that is in the network namespace.
    pub(super) fn within<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let namespace = File::open(format!("/proc/{}/ns/net", self.pid()))?;
        let thread = thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind)?;
            anyhow::Ok(call())
        });
        let done = thread.join();
        done.map_err(|_| anyhow!("a call in the network namespace panicked"))?
    }

    /// Runs commands of a shell, which must succeed.
    pub(super) fn shell(&self, commands: &str) -> Result<()> {
        run(self.command("sh").args(["-ec", commands])).map(drop)
    }

    /// Starts a part of the cluster, whose log is `NAME.log`.
    pub(super) fn start(&self, name: &str, command: &mut Command) -> Result<Part> {
        let path = self.dir.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&path)?;
        let child = command
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Part { child, log: path })
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A running program of the cluster.
pub(super) struct Part {
    child: Child,
    log: PathBuf,
}

impl Part {
    /// Waits until the part does what it should.
    pub(super) fn until(
        &mut self,
        what: &str,
        patience: Duration,
        mut reached: impl FnMut() -> bool,
    ) -> Result<()> {
        let begin = Instant::now();
        while !reached() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || begin.elapsed() > patience {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(8).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                bail!(
                    "{what}: {ended:?} after {:?}\n{}",
                    begin.elapsed(),
                    last.join("\n")
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The process id of the program: the namespaces are entered by `exec`.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the program.
    pub(super) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops the program by SIGTERM.
    pub(super) fn stop(mut self) -> Result<()> {
        run(Command::new("kill").arg(self.child.id().to_string()))?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > GRACE {
                self.child.kill()?;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Runs a command; returns what it printed.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What ends a cluster, also after its test was killed.
pub(super) struct Guard(Child);

impl Guard {
    /// Starts it for a cgroup and a folder.
    pub(super) fn start(cgroup: &str, dir: &Path) -> Result<Self> {
        // In a session of its own. It keeps this process's standard error, so that who reads
        // that to its end waits until everything has gone.
        Command::new("setsid")
            .args([
                "sh",
                "-c",
                "cat > /dev/null; exec \"$0\" down \"$@\"",
                SCRIPT,
            ])
            .arg(cgroup)
            .arg(dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("setsid")
            .map(Self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
