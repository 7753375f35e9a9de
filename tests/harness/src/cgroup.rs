//! Cgroups of the test's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A cgroup below the root of the hierarchy of version 2, and those above it; removed at the end.
#[derive(Debug)]
pub struct Cgroup {
    root: PathBuf,
    path: PathBuf,
}

impl Cgroup {
    /// One of these names, separated by slashes.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new(names: &str) -> Self {
        let hybrid = Path::new("/sys/fs/cgroup/unified");
        let root = if hybrid.exists() {
            hybrid
        } else {
            Path::new("/sys/fs/cgroup")
        };
        let path = root.join(names);
        fs::create_dir_all(&path)
            .unwrap_or_else(|error| panic!("cannot make the cgroup {}: {error}", path.display()));
        Self {
            root: root.to_owned(),
            path,
        }
    }

    /// Where a process writes its id to enter it.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[must_use]
    pub fn procs(&self) -> String {
        let path = self.path.join("cgroup.procs");
        path.to_str().expect("names are UTF-8").to_owned()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let mut path = self.path.as_path();
        while path != self.root && fs::remove_dir(path).is_ok() {
            path = path.parent().unwrap_or(&self.root);
        }
    }
}
