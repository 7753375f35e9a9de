//! Opens the log file: never through a symbolic link, only a regular file, and without truncating
//! it.

use std::{
    fs::File,
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

use config::Owner;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use tracing::warn;

/// An open file and its identity.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) id: FileId,
    pub(super) size: u64,
}

/// Device and inode of a file, which a rename does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    dev: u64,
    ino: u64,
}

impl FileId {
    pub(super) fn of(meta: &std::fs::Metadata) -> Self {
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
        }
    }
}

/// Opens a file to append to it, and creates the file if it does not exist.
pub(super) fn open(path: &Path, mode: config::Mode, owner: Option<Owner>) -> io::Result<Opened> {
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NOCTTY
        // A fifo without a reader must not block the open.
        | OFlags::NONBLOCK;
    let file = loop {
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => break File::from(fd),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let create = flags | OFlags::CREATE | OFlags::EXCL;
        match rustix::fs::open(path, create, Mode::from_raw_mode(mode.0)) {
            Ok(fd) => break created(File::from(fd), path, mode, owner),
            // Another process has created the file meanwhile.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    Ok(Opened {
        id: FileId::of(&meta),
        size: meta.len(),
        file,
    })
}

/// Gives a new file its permissions (independent of the umask) and its owner.
fn created(file: File, path: &Path, mode: config::Mode, owner: Option<Owner>) -> File {
    if let Err(error) = rustix::fs::fchmod(&file, Mode::from_raw_mode(mode.0)) {
        warn!("{}: cannot set permissions {mode}: {error}", path.display());
    }
    if let Some(owner) = owner {
        let uid = owner.uid.map(rustix::fs::Uid::from_raw);
        let gid = owner.gid.map(rustix::fs::Gid::from_raw);
        if let Err(error) = rustix::fs::fchown(&file, uid, gid) {
            warn!(
                "{}: cannot give it to {owner}: {error} (a share with root_squash does not allow it: leave file_output.owner out)",
                path.display()
            );
        }
    }
    file
}

/// Creates the directory, if it does not exist.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
}

/// What to do about an error of opening that a retry cannot correct; none for other errors.
pub(super) fn remedy(error: &io::Error) -> Option<&'static str> {
    if error.kind() == io::ErrorKind::InvalidInput {
        return Some("name a regular file in file_output.filename");
    }
    match Errno::from_io_error(error)? {
        Errno::LOOP => {
            Some("the log file must not be a symbolic link: remove it, or name another file")
        }
        Errno::ACCESS | Errno::PERM => {
            Some("give the sensor's user write permission on the directory and the file")
        }
        Errno::NOTDIR => Some("a part of the path is a file: name another directory"),
        Errno::ISDIR => Some("the path is a directory: add a file name"),
        Errno::NAMETOOLONG => Some("shorten the path"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open_in(dir: &Path, name: &str) -> io::Result<Opened> {
        open(&dir.join(name), config::Mode(0o640), None)
    }

    #[test]
    fn a_new_file_has_the_configured_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        open(&path, config::Mode(0o666), None).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o666);
    }

    #[test]
    fn an_existing_file_is_neither_truncated_nor_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "old\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(open_in(dir.path(), "f").unwrap().size, 4);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("target"), "").unwrap();
        std::os::unix::fs::symlink("target", dir.path().join("f")).unwrap();
        let error = open_in(dir.path(), "f").unwrap_err();
        assert!(remedy(&error).unwrap().contains("symbolic link"), "{error}");
    }

    #[test]
    fn a_dangling_symbolic_link_creates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("target", dir.path().join("f")).unwrap();
        open_in(dir.path(), "f").unwrap_err();
        assert!(!dir.path().join("target").exists());
    }

    #[test]
    fn a_fifo_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .unwrap();
        let error = open_in(dir.path(), "f").unwrap_err();
        assert!(remedy(&error).is_some(), "{error}");
    }

    #[test]
    fn a_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("f")).unwrap();
        let error = open_in(dir.path(), "f").unwrap_err();
        assert!(remedy(&error).unwrap().contains("directory"), "{error}");
    }

    #[test]
    fn a_new_file_gets_its_owner() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let owner = "12345:54321".parse().unwrap();
        open(&path, config::Mode(0o640), Some(owner)).unwrap();
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (12345, 54321));
    }
}
