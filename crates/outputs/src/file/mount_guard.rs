//! Guards against writing below the mount point of a share that is not mounted.
//!
//! When a share is unmounted, its mount point is an empty directory of the node's own disk, and a
//! file that is written there becomes invisible when the share comes back. So the log's directory
//! must stay on its file system.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

/// How long another local file system must be there before the guard accepts it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Types (`f_type` of `statfs(2)`) of network file systems: NFS, CIFS, SMB2, Ceph, AFS, 9p, FUSE.
const NETWORK: [u64; 7] = [
    0x6969,
    0xff53_4d42,
    0xfe53_4d42,
    0x00c3_6400,
    0x5346_414f,
    0x0102_1997,
    0x6573_5546,
];

/// Identity of a file system. The device number is no part of it: it changes with each mount of a
/// share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileSystemId {
    kind: u64,
    fsid: u64,
}

#[derive(Debug)]
pub(super) struct MountGuard {
    id: FileSystemId,
    /// Since when the directory is on another file system.
    away: Option<Instant>,
}

impl MountGuard {
    /// A guard for the file system of a directory.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        Ok(Self {
            id: identify(directory)?,
            away: None,
        })
    }

    /// Checks that the directory, or the nearest existing one above it, is on the same file system.
    ///
    /// # Errors
    /// If the directory is on another file system, or `statfs(2)` fails.
    pub(super) fn check(&mut self, directory: &Path) -> io::Result<()> {
        let now = self.accept(identify(directory)?, Instant::now());
        if now {
            return Ok(());
        }
        Err(io::Error::other(
            "the directory is on another file system than before: is the share not mounted? (USR1 accepts the new place)",
        ))
    }

    /// Whether the directory is on a network file system.
    pub(super) fn is_remote(&self) -> bool {
        NETWORK.contains(&self.id.kind)
    }

    /// A guard for a share; no directory of a test is on it.
    #[cfg(test)]
    pub(super) fn on_a_share() -> Self {
        let id = FileSystemId {
            kind: NETWORK[0],
            fsid: 0,
        };
        Self { id, away: None }
    }

    fn accept(&mut self, id: FileSystemId, now: Instant) -> bool {
        if id == self.id {
            self.away = None;
            return true;
        }
        let (was_remote, is_remote) = (NETWORK.contains(&self.id.kind), NETWORK.contains(&id.kind));
        let since = *self.away.get_or_insert(now);
        // The operator wants a share that is mounted over a local directory; a local directory in
        // place of a share is a fault.
        if is_remote || (!was_remote && now.duration_since(since) >= PATIENCE) {
            *self = Self { id, away: None };
            return true;
        }
        false
    }
}

/// The file system of a directory, or of the nearest existing one above it.
fn identify(directory: &Path) -> io::Result<FileSystemId> {
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    let places = directory.ancestors().map(|place| match place.as_os_str() {
        name if name.is_empty() => Path::new("."),
        _ => place,
    });
    for place in places {
        match (rustix::fs::statfs(place), rustix::fs::statvfs(place)) {
            (Ok(kind), Ok(fs)) => {
                return Ok(FileSystemId {
                    kind: u64::try_from(kind.f_type).unwrap_or(0),
                    fsid: fs.f_fsid,
                });
            }
            (Err(rustix::io::Errno::NOENT), _) => {}
            (Err(e), _) | (_, Err(e)) => {
                error = e.into();
                break;
            }
        }
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NFS: FileSystemId = FileSystemId {
        kind: 0x6969,
        fsid: 0,
    };
    const EXT4: FileSystemId = FileSystemId {
        kind: 0xef53,
        fsid: 1,
    };
    const XFS: FileSystemId = FileSystemId {
        kind: 0x5846_5342,
        fsid: 2,
    };

    fn guard_of(id: FileSystemId) -> (MountGuard, Instant) {
        (MountGuard { id, away: None }, Instant::now())
    }

    #[test]
    fn the_mount_point_of_a_share_that_is_gone_is_never_accepted() {
        let (mut guard, now) = guard_of(NFS);
        assert!(!guard.accept(EXT4, now));
        assert!(!guard.accept(EXT4, now + PATIENCE * 10));
        assert!(guard.accept(NFS, now));
    }

    #[test]
    fn a_share_that_is_mounted_over_the_directory_is_accepted() {
        let (mut guard, now) = guard_of(EXT4);
        assert!(guard.accept(NFS, now));
    }

    #[test]
    fn another_disk_is_accepted_after_a_while() {
        let (mut guard, now) = guard_of(EXT4);
        assert!(!guard.accept(XFS, now));
        assert!(guard.accept(XFS, now + PATIENCE));
        assert!(guard.accept(XFS, now));
    }

    #[test]
    fn a_directory_that_is_not_there_is_on_the_file_system_above() {
        let dir = tempfile::tempdir().unwrap();
        let mut guard = MountGuard::of(dir.path()).unwrap();
        guard.check(&dir.path().join("a/b")).unwrap();
    }
}
