//! Rule files and directories with rule files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use yaml::{Diagnostic, Source};

use crate::{Code, Problem};

/// Largest file that is read.
const BYTES_MAX: u64 = 16 << 20;

/// A rule file in memory.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// Its path, for messages.
    pub name: Box<str>,
    /// Its text.
    pub text: Box<str>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: Box<str>,
    /// Whether it is a base file: definitions that other files can rely on. What nobody uses of a
    /// base file is left out without a word.
    pub base: bool,
}

impl RuleFile {
    /// A rule file with that name and text.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        Self {
            name: name.into(),
            sha256: hexadecimal(&Sha256::digest(text.as_bytes())),
            text,
            base: false,
        }
    }

    /// A base file with that name and text. Base files come before all others.
    #[must_use]
    pub fn base(name: impl Into<Box<str>>, text: impl Into<Box<str>>) -> Self {
        Self {
            base: true,
            ..Self::new(name, text)
        }
    }

    /// The rule file of that name with these bytes, in any encoding of YAML.
    fn decoded(name: impl Into<Box<str>>, bytes: &[u8]) -> Self {
        Self {
            sha256: hexadecimal(&Sha256::digest(bytes)),
            ..Self::new(name, yaml::decode(bytes))
        }
    }
}

/// Digest of a number of files, in order: SHA-256 of their digests.
#[must_use]
pub(crate) fn digest(files: &[RuleFile]) -> Box<str> {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.sha256.as_bytes());
    }
    hexadecimal(&hash.finalize())
}

fn hexadecimal(bytes: &[u8]) -> Box<str> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// Reads rule files in order. Of a directory, the function reads the `.yaml` and `.yml` files,
/// sorted by name, and no subdirectories.
///
/// # Errors
/// One problem for each path that cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<RuleFile>, Vec<Problem>> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        let listed = if path.is_dir() {
            list(path)
        } else {
            Ok(vec![path.clone()])
        };
        match listed {
            Err(error) => problems.push(unreadable(path, &error)),
            Ok(listed) => {
                for path in listed {
                    match read_one(&path) {
                        Ok(file) => files.push(file),
                        Err(error) => problems.push(unreadable(&path, &error)),
                    }
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(files)
    } else {
        Err(problems)
    }
}

fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let known = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if known && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_one(path: &Path) -> io::Result<RuleFile> {
    let size = fs::metadata(path)?.len();
    if size > BYTES_MAX {
        let message = format!("file has {size} bytes, more than the {BYTES_MAX} that are read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(RuleFile::decoded(path.to_string_lossy(), &fs::read(path)?))
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let source = Source::new(path.to_string_lossy(), "");
    let message = format!("cannot read rules: {error}");
    Problem::new(
        Code::FileRead,
        Diagnostic::error(&source, source.position(0), message),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_in_order_of_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "c.txt", "d.yaml.bak"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        fs::create_dir(directory.path().join("e.yaml")).unwrap();
        let files = read(&[directory.path().to_owned()]).unwrap();
        let texts: Vec<_> = files.iter().map(|file| &*file.text).collect();
        assert_eq!(texts, ["a.yml", "b.yaml"]);
    }

    #[test]
    fn a_file_can_be_in_utf_16_or_have_bytes_that_are_no_text() {
        let directory = tempfile::tempdir().unwrap();
        let utf16 = directory.path().join("a.yaml");
        fs::write(&utf16, b"\xff\xfe-\0 \0a\0").unwrap();
        let latin1 = directory.path().join("b.yaml");
        fs::write(&latin1, b"# \xe9\n- a").unwrap();
        let files = read(&[utf16, latin1]).unwrap();
        assert_eq!(&*files[0].text, "- a");
        assert_eq!(&*files[1].text, "# \u{fffd}\n- a");
    }

    #[test]
    fn each_missing_file_is_a_problem() {
        let problems = read(&["/no/a.yaml".into(), "/no/b.yaml".into()]).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(
            problems[0]
                .to_string()
                .starts_with("/no/a.yaml:1:1: error: cannot read rules: ")
        );
    }

    #[test]
    fn the_digest_is_that_of_the_bytes() {
        let file = RuleFile::new("x", "abc");
        assert!(file.sha256.starts_with("ba7816bf"));
        assert_ne!(
            digest(std::slice::from_ref(&file)),
            digest(&[file.clone(), file])
        );
    }
}
