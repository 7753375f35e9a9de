//! Files that were changed since they were read.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What tells a changed file: device, inode, size, and when it was changed.
type Mark = (u64, u64, u64, i64, i64);

/// Watches files, and the files in directories, by looking at them: also those
/// that Kubernetes exchanges by a symbolic link, and those on a network share.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    marks: BTreeMap<PathBuf, Mark>,
}

impl Watch {
    /// Watches from now on.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        Self {
            marks: marks(&paths),
            paths,
        }
    }

    /// Whether anything has changed since the last call. One `stat` a file.
    pub fn changed(&mut self) -> bool {
        let marks = marks(&self.paths);
        let changed = marks != self.marks;
        self.marks = marks;
        changed
    }
}

fn marks(paths: &[PathBuf]) -> BTreeMap<PathBuf, Mark> {
    let mut marks = BTreeMap::new();
    for path in paths {
        mark(path, &mut marks);
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            mark(&entry.path(), &mut marks);
        }
    }
    marks
}

fn mark(path: &Path, marks: &mut BTreeMap<PathBuf, Mark>) {
    if let Ok(meta) = fs::metadata(path)
        && meta.is_file()
    {
        let mark = (
            meta.dev(),
            meta.ino(),
            meta.size(),
            meta.mtime(),
            meta.mtime_nsec(),
        );
        marks.insert(path.to_owned(), mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noticed_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = Watch::new([file.clone(), dir.path().join("none")]);
        assert!(!watch.changed());
        fs::write(&file, "22").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
    }

    #[test]
    fn a_directory_that_kubernetes_exchanges_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["v1", "v2"] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("r.yaml"), version).unwrap();
        }
        let data = dir.path().join("..data");
        std::os::unix::fs::symlink("v1", &data).unwrap();
        let rules = dir.path().join("rules");
        fs::create_dir(&rules).unwrap();
        std::os::unix::fs::symlink("../..data/r.yaml", rules.join("r.yaml")).unwrap();
        let mut watch = Watch::new([rules]);
        let next = dir.path().join("..next");
        std::os::unix::fs::symlink("v2", &next).unwrap();
        fs::rename(&next, &data).unwrap();
        assert!(watch.changed());
    }

    #[test]
    fn a_new_file_in_a_directory_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new([dir.path().to_owned()]);
        fs::write(dir.path().join("new"), "").unwrap();
        assert!(watch.changed());
    }
}
