//! A cgroup that is named as a container's is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::shell::say;

/// A cgroup, removed when it is dropped.
pub(super) struct Cgroup(PathBuf);

impl Cgroup {
    /// A new one; numbers tell those of this process apart.
    pub(super) fn new(number: u32) -> Result<Self> {
        let hybrid = Path::new("/sys/fs/cgroup/unified");
        let root = if hybrid.exists() {
            hybrid
        } else {
            Path::new("/sys/fs/cgroup")
        };
        // The first twelve digits are what is shown of an id.
        let id = format!("{number:08x}{:056x}", std::process::id());
        let path = root.join(format!("docker-{id}.scope"));
        fs::create_dir(&path)
            .with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        Ok(Self(path))
    }

    /// The file through which processes enter it.
    pub(super) fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.0) {
            say(format_args!("{} is left: {error}", self.0.display()));
        }
    }
}
