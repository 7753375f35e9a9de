//! Origins of the packages with the tools.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, anyhow};
use harness::Scene;

use crate::{
    debian, setup,
    shell::{command, output},
};

/// An origin of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The suite of this machine.
    Machine,
    /// Debian's testing suite, which has the newest packages, in a system of its own.
    Testing,
}

/// Packages with the tools.
const PACKAGES: [&str; 3] = ["auditd", "bpftrace", "libbpf-tools"];

/// Runs a program in the system `$1`, which sees the directory `$2` at [`SEEN`]. Its mounts are in
/// a mount namespace of its own, and it keeps the process id of the shell.
const ENTER: &str = "root=$1; mount --bind /proc \"$root/proc\" && mount --rbind /sys \"$root/sys\" \
    && mount --bind \"$2\" \"$root/mnt\" && shift 2 && exec chroot \"$root\" \"$@\"";
const SEEN: &str = "/mnt";

/// Where the tools are installed, and where they write.
pub(super) struct Place {
    pub(super) scene: Scene,
    /// The system of the testing suite, or why there is none.
    testing: Result<PathBuf, String>,
}

impl Place {
    /// Installs missing packages.
    pub(super) fn new() -> Result<Self> {
        setup::install_peers()?;
        let testing = debian::system_of("testing", &PACKAGES).map_err(|error| format!("{error:#}"));
        let scene = Scene::new();
        Ok(Self { scene, testing })
    }

    fn testing(&self) -> Result<&str> {
        let root = self.testing.as_ref().map_err(|why| anyhow!("{why}"))?;
        root.to_str()
            .ok_or_else(|| anyhow!("not UTF-8: {}", root.display()))
    }

    /// A program that sees `directory` at [`Source::seen`].
    pub(super) fn command(
        &self,
        source: Source,
        program: &str,
        directory: &Path,
    ) -> Result<Command> {
        if source == Source::Machine {
            return Ok(Command::new(program));
        }
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                ENTER,
                "sh",
            ])
            .args([self.testing()?.as_ref(), directory.as_os_str()])
            .arg(program);
        Ok(command)
    }

    /// The version of a package without its epoch and Debian's revision.
    pub(super) fn version(&self, source: Source, package: &str) -> Result<String> {
        let mut query = command(
            "dpkg-query",
            &["--show", "--showformat=${source:Upstream-Version}"],
        );
        if source == Source::Testing {
            query.arg(format!("--admindir={}/var/lib/dpkg", self.testing()?));
        }
        output(query.arg(package))
    }
}

impl Source {
    /// The path at which a program of this origin sees a directory.
    pub(super) fn seen(self, directory: &Path) -> &Path {
        match self {
            Self::Machine => directory,
            Self::Testing => Path::new(SEEN),
        }
    }
}
