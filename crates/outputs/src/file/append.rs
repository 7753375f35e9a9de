//! Appends one line to a file that is not kept open.

use std::{
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use config::{Mode, Owner};

use super::open::{create_directory, open};

/// Appends a line, newline included, to a file. The function opens (or creates) the file as the log
/// file is opened, and closes it again. An empty line only checks whether the file can be opened.
///
/// # Errors
/// If the file cannot be opened or written.
pub fn append(path: &Path, mode: Mode, owner: Option<Owner>, line: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|path| !path.as_os_str().is_empty()) {
        create_directory(directory)?;
    }
    let mut opened = open(path, mode, owner)?;
    let mut last = *b"\n";
    if opened.size > 0 {
        opened.file.read_exact_at(&mut last, opened.size - 1)?;
    }
    if last == *b"\n" || line.is_empty() {
        return opened.file.write_all(line);
    }
    // The disk was full in the middle of the last line: this line must not continue it.
    opened.file.write_all(&[b"\n", line].concat())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MODE: Mode = Mode(0o640);

    #[test]
    fn lines_are_added_to_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/directory/f");
        for line in ["", "one\n", "two\n"] {
            append(&path, MODE, None, line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_line_that_was_cut_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "one\ntw").unwrap();
        append(&path, MODE, None, b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntw\nthree\n");
    }

    #[test]
    fn nothing_is_added_through_a_symbolic_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("f"), dir.path().join("target"));
        std::os::unix::fs::symlink("target", &path).unwrap();
        append(&path, MODE, None, b"line\n").unwrap_err();
        assert!(!target.exists());
    }
}
