//! Paths of the log file and of rotated files.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// The log file's path, and the paths derived from it: `falco-n1.log` is renamed to
/// `falco-n1.log.000007`, where 7 is the number of the file.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// The log file.
    pub(super) path: PathBuf,
    directory: PathBuf,
    name: OsString,
}

impl Paths {
    /// None if the path does not end with a name.
    pub(super) fn new(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_owned();
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Some(Self {
            path,
            directory,
            name,
        })
    }

    /// The directory of all these files.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Path of the rotated file with that number.
    pub(super) fn aside(&self, number: u64) -> PathBuf {
        let mut name = self.name.clone();
        name.push(format!(".{number:06}"));
        self.directory.join(name)
    }

    /// Path of the next log file, until it takes the log file's name.
    pub(super) fn next(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(".next");
        self.directory.join(name)
    }

    /// Numbers of the rotated files, in order.
    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name().into_vec();
            numbers.extend(self.number(OsStr::from_bytes(&name)));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn number(&self, name: &OsStr) -> Option<u64> {
        let rest = name.as_bytes().strip_prefix(self.name.as_bytes())?;
        let digits = rest.strip_prefix(b".")?;
        if digits.len() < 6 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_put_aside_are_found_by_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("a.log")).unwrap();
        for name in [
            "a.log",
            "a.log.000010",
            "a.log.000002",
            "a.log.1",
            "b.log.000003",
            "a.log.00000x",
        ] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(paths.numbers().unwrap(), [2, 10]);
        assert_eq!(paths.aside(2), dir.path().join("a.log.000002"));
    }

    #[test]
    fn a_path_must_end_with_a_name() {
        assert!(Paths::new("/".into()).is_none());
        assert!(Paths::new("/var/log/..".into()).is_none());
        assert_eq!(Paths::new("a".into()).unwrap().directory(), Path::new("."));
    }
}
