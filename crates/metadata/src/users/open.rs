//! Opens files of a container, which may be anything that the container's owner chooses.
//!
//! The kernel resolves names as if the container's root were `/` (`openat2(2)`, `RESOLVE_IN_ROOT`;
//! it refuses links of `/proc` that leave the root). Only regular files are opened, and opening
//! never blocks.

use std::{
    fs::File,
    io::Read,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2},
    io::Errno,
};

use crate::ContainerId;

/// Most bytes of a file that are read.
const FILE_MAX: u64 = 1 << 20;
/// Most bytes of `/proc/PID/cgroup` that are read.
const CGROUP_MAX: u64 = 1 << 16;

/// Where the root of a container can be reached.
#[derive(Clone, Debug)]
pub(super) enum Root {
    /// The root of a process, if the process is in the cgroup of the container.
    Process {
        /// Where proc is mounted.
        proc: PathBuf,
        pid: u32,
        container: ContainerId,
        /// Device and inode of the host's root: a process of the runtime that is in the container's
        /// cgroup already may still have this root.
        hosts: Arc<[(u64, u64)]>,
    },
    /// A directory.
    Directory(PathBuf),
}

/// What distinguishes one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Why the sensor could not read a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("{0}")]
    Errno(#[from] Errno),
    #[error("not a regular file")]
    NotRegular,
    #[error("the process is of another container, or not in its root yet")]
    Foreign,
}

/// A file's beginning.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Whether the file is longer.
    pub(super) cut: bool,
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Root {
    /// Opens the root directory.
    pub(super) fn open(&self) -> Result<OwnedFd, Refused> {
        let cwd = rustix::fs::CWD;
        match self {
            Self::Directory(path) => Ok(openat(cwd, path, DIRECTORY, Mode::empty())?),
            Self::Process {
                proc,
                pid,
                container,
                hosts,
            } => {
                // The directory belongs to this very process: if the process ends and its number is
                // used again, the calls below fail.
                let process = openat(cwd, proc.join(pid.to_string()), DIRECTORY, Mode::empty())?;
                if !is_in(&process, container)? {
                    return Err(Refused::Foreign);
                }
                let root = openat(&process, "root", DIRECTORY, Mode::empty())?;
                let stat = fstat(&root)?;
                if hosts.contains(&(stat.st_dev, stat.st_ino)) {
                    return Err(Refused::Foreign);
                }
                Ok(root)
            }
        }
    }
}

/// Device and inode of those directories that can be reached.
pub(super) fn identities(paths: &[PathBuf]) -> Arc<[(u64, u64)]> {
    let stats = paths.iter().filter_map(|path| path.metadata().ok());
    stats.map(|stat| (stat.dev(), stat.ino())).collect()
}

/// Whether a process is in the container's cgroup.
fn is_in(process: &OwnedFd, container: &ContainerId) -> Result<bool, Refused> {
    let file = openat(
        process,
        "cgroup",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut text = Vec::new();
    let read = File::from(file).take(CGROUP_MAX).read_to_end(&mut text);
    read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let id = container.full().as_bytes();
    let names =
        |part: &[u8]| part == id || (id.len() == 64 && memchr::memmem::find(part, id).is_some());
    Ok(text.split(|&b| b == b'/' || b == b'\n').any(names))
}

/// Opens a file below a root, without reading it; also returns the stamp of the file.
pub(super) fn find(root: &OwnedFd, path: &str) -> Result<(OwnedFd, Stamp), Refused> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = openat2(root, Path::new(path), flags, Mode::empty(), resolve)?;
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Refused::NotRegular);
    }
    let stamp = Stamp {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: stat.st_size,
        modified: (
            stat.st_mtime,
            i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
        ),
        changed: (
            stat.st_ctime,
            i64::try_from(stat.st_ctime_nsec).unwrap_or(0),
        ),
    };
    Ok((file, stamp))
}

/// Reads the beginning of a file that [`find`] found.
pub(super) fn read(file: &OwnedFd) -> Result<Content, Refused> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let again = format!("/proc/self/fd/{}", file.as_raw_fd());
    let file = openat(rustix::fs::CWD, again, flags, Mode::empty())?;
    let mut bytes = Vec::new();
    let n = File::from(file)
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let cut = n as u64 > FILE_MAX;
    if cut {
        // The last line may be cut.
        bytes.truncate(memchr::memrchr(b'\n', &bytes).unwrap_or(0));
    }
    Ok(Content { bytes, cut })
}
