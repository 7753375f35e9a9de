//! Cgroups that a test makes.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A cgroup below the root of cgroup v2, with its parents; removed on drop.
#[derive(Debug)]
pub struct Cgroup {
    root: PathBuf,
    path: PathBuf,
}

impl Cgroup {
    /// A cgroup with this path: names separated by slashes.
    ///
    /// # Panics
    /// If the cgroup cannot be made.
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

    /// Path of `cgroup.procs`, into which a process writes its id to enter the cgroup.
    ///
    /// # Panics
    /// If the path is not UTF-8.
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
