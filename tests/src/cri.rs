//! CRI-O and cri-dockerd by their answers; see `tests/testbed/cri.py`.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testbed/cri.py");

/// A server of CRI in front of containerd; it ends when this is dropped.
pub struct Cri {
    child: Child,
    socket: PathBuf,
}

impl Cri {
    /// Starts a server that answers as a runtime does (`cri-o` or `docker`).
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(socket: PathBuf, containerd: &Path, runtime: &str) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(SCRIPT)
            .args([&socket, containerd])
            .arg(runtime)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        assert!(read.is_ok() && line == "ready\n", "cri.py: {line}");
        Self { child, socket }
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Cri {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
