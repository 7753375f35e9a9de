//! A cpio archive in the form that the kernel unpacks as its first root
//! (`newc`, Documentation/driver-api/early-userspace/buffer-format.rst).

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// An archive in memory.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    directories: BTreeSet<String>,
}

impl Archive {
    /// Adds a directory with its parents. Paths begin with a slash.
    pub(super) fn directory(&mut self, path: &str) {
        let mut end = 0;
        for part in path.split('/').skip(1).filter(|part| !part.is_empty()) {
            end += 1 + part.len();
            if self.directories.insert(path[..end].to_owned()) {
                self.entry(&path[..end], DIRECTORY | 0o755, &[]);
            }
        }
    }

    /// Adds a file with that content.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.parent(path);
        self.entry(path, FILE | mode, content);
    }

    /// Adds an executable copy of a file of this machine.
    pub(super) fn copy(&mut self, from: &Path, path: &str) -> Result<()> {
        let content = fs::read(from).with_context(|| from.display().to_string())?;
        self.file(path, 0o755, &content);
        Ok(())
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, to: &str) {
        self.parent(path);
        self.entry(path, LINK | 0o777, to.as_bytes());
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("/TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn parent(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let name = path.trim_start_matches('/');
        self.inode += 1;
        let links = if mode & DIRECTORY == 0 { 1 } else { 2 };
        let sizes = [content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        let head = [self.inode, mode, 0, 0, links, 0].map(|value| format!("{value:08x}"));
        let tail = sizes.map(|value| format!("{value:08x}"));
        self.bytes.extend_from_slice(b"070701");
        for field in head.iter().chain(&tail) {
            self.bytes.extend_from_slice(field.as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn a_file_comes_after_its_directories_and_all_is_aligned() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", 0o644, b"hello");
        let bytes = archive.finish();
        assert!(bytes.len().is_multiple_of(4));
        let text = String::from_utf8_lossy(&bytes);
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("00000000a\0") < at("00000000a/b\0"));
        assert!(at("00000000a/b\0") < at("00000000a/b/c\0"));
        assert!(at("hello") < at("TRAILER!!!\0"));
    }

    #[test]
    fn a_directory_is_written_once() {
        let mut archive = Archive::default();
        archive.file("/a/b", 0o644, b"");
        archive.file("/a/c", 0o644, b"");
        assert_eq!(archive.directories.len(), 1);
    }
}
