//! Watches files for changes since the sensor read them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What identifies a version of a file: device, inode, size, and time of change (seconds and
/// nanoseconds).
type Mark = (u64, u64, u64, i64, i64);

/// The marks of a file, or of the files in a directory.
type Marks = BTreeMap<PathBuf, Mark>;

/// Watches files, and the files in directories, by `stat`. So it also notices files that Kubernetes
/// exchanges by a symbolic link, and files on a network share.
#[derive(Debug, Default)]
pub struct Watch(BTreeMap<PathBuf, Marks>);

impl Watch {
    /// Also watches these paths from now on. Returns whether any of them is new.
    pub fn add<'a>(&mut self, paths: impl IntoIterator<Item = &'a PathBuf>) -> bool {
        let before = self.0.len();
        for path in paths {
            let new = || marks(path);
            self.0.entry(path.clone()).or_insert_with(new);
        }
        self.0.len() > before
    }

    /// Stops watching all paths but these.
    pub fn keep<'a>(&mut self, paths: impl IntoIterator<Item = &'a PathBuf>) {
        let kept: BTreeSet<_> = paths.into_iter().collect();
        self.0.retain(|path, _| kept.contains(path));
    }

    /// Whether a file has changed since the last call. Makes one `stat` for each file.
    pub fn changed(&mut self) -> bool {
        let mut changed = false;
        for (path, former) in &mut self.0 {
            let now = marks(path);
            changed |= *former != now;
            *former = now;
        }
        changed
    }
}

fn marks(path: &Path) -> Marks {
    let mut marks = Marks::new();
    mark(path, &mut marks);
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        mark(&entry.path(), &mut marks);
    }
    marks
}

fn mark(path: &Path, marks: &mut Marks) {
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

    fn watch(paths: &[PathBuf]) -> Watch {
        let mut watch = Watch::default();
        assert!(watch.add(paths));
        watch
    }

    #[test]
    fn each_change_of_a_file_is_reported_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = watch(&[file.clone(), dir.path().join("none")]);
        assert!(!watch.changed());
        fs::write(&file, "22").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
    }

    #[test]
    fn the_exchange_of_a_directory_by_kubernetes_is_a_change() {
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
        let mut watch = watch(&[rules]);
        let next = dir.path().join("..next");
        std::os::unix::fs::symlink("v2", &next).unwrap();
        fs::rename(&next, &data).unwrap();
        assert!(watch.changed());
    }

    #[test]
    fn a_new_file_in_a_directory_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = watch(&[dir.path().to_owned()]);
        fs::write(dir.path().join("new"), "").unwrap();
        assert!(watch.changed());
    }

    #[test]
    fn adding_a_watched_path_again_does_not_hide_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let [file, other] = ["a.yaml", "b.yaml"].map(|name| dir.path().join(name));
        let mut watch = watch(std::slice::from_ref(&file));
        fs::write(&file, "changed while it was being loaded").unwrap();
        assert!(!watch.add([&file]));
        assert!(watch.add([&file, &other]));
        watch.keep([&file]);
        assert!(watch.changed());
        fs::write(&other, "not watched any more").unwrap();
        assert!(!watch.changed());
    }
}
