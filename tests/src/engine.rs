//! A private Docker or Podman; see `tests/testbed/engine.sh`.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use harness::container;

/// The image of the containers: busybox.
pub const IMAGE: &str = "bed/tools:1";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testbed/engine.sh");

/// The engines that a machine can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
}

impl Kind {
    /// Its name, for the script and as `container.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// The daemon, or the program that is the daemon.
    fn program(self) -> &'static str {
        match self {
            Self::Docker => "dockerd",
            Self::Podman => "podman",
        }
    }
}

/// An engine of its own, with its own files. Everything ends when this is dropped, or when the test
/// is killed.
pub struct Engine {
    kind: Kind,
    dir: PathBuf,
    guard: Child,
}

impl Engine {
    /// Starts an engine. None, and a line on standard error, if the machine does not have it.
    ///
    /// # Panics
    /// If the engine does not start, or if CI's machine does not have it.
    #[must_use]
    pub fn start(kind: Kind) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let has = |dir: PathBuf| dir.join(kind.program()).exists();
        if !std::env::split_paths(&path).any(has) {
            let missing = format!(
                "no {} here: its tests are left out (`cargo xtask setup --tests` installs it)",
                kind.program()
            );
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("{missing}");
            return None;
        }
        let name = &container::id()[..12];
        let dir = std::env::temp_dir().join(format!("sensor-{}-{name}", kind.name()));
        // In a session of its own: it cleans up also after a test that was killed.
        let guard = script(kind, &dir, "setsid")
            .args(["sh", "-c", "cat > /dev/null; exec \"$0\" down", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("setsid runs");
        let engine = Self { kind, dir, guard };
        engine.start_again();
        Some(engine)
    }

    /// The socket of its API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join("api.sock")
    }

    /// Stops the daemon; its containers go on.
    pub fn stop(&self) {
        self.call(&["stop"]);
    }

    /// Starts the daemon, and waits until it answers.
    pub fn start_again(&self) {
        self.call(&["start"]);
    }

    /// Runs the engine's command line; returns what it printed.
    #[expect(
        clippy::must_use_candidate,
        reason = "what the engine prints matters to few"
    )]
    pub fn run(&self, args: &[&str]) -> String {
        self.call(&[&["run"], args].concat())
    }

    /// Runs a container without a network until it ends.
    pub fn container(&self, name: &str, command: &[&str]) {
        let options = ["run", "--rm", "--network=none", "--name", name, IMAGE];
        self.run(&[&options, command].concat());
    }

    fn call(&self, args: &[&str]) -> String {
        let output = script(self.kind, &self.dir, SCRIPT)
            .args(args)
            .output()
            .expect("the script runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "engine.sh {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn script(kind: Kind, dir: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("TB_ENGINE", kind.name()).env("TB_DIR", dir);
    command
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
