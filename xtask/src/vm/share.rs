//! `cargo xtask vm --share`: a guest that exports a folder by Debian's NFS server and mounts the
//! folder itself.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::find;

/// The kernel of Debian's stable release.
pub(super) const KERNEL: &str = "6.12";
/// Beginnings of the names of the test programs.
pub(super) const TESTS: [&str; 1] = ["share"];
/// Modules of the server and of the client.
pub(super) const MODULES: [&str; 5] = ["nfsd", "nfs", "nfsv3", "nfsv4", "loop"];
/// Packages with the programs of the server and of the client.
pub(super) const PACKAGES: [&str; 4] = ["nfs-kernel-server", "nfs-common", "rpcbind", "netbase"];
/// Those programs.
const PROGRAMS: [&str; 6] = [
    "exportfs",
    "mount.nfs",
    "nfsdcld",
    "rpc.mountd",
    "rpc.nfsd",
    "rpcbind",
];
/// Files that the programs read: where the packages have them, and where the guest has them.
const FILES: [(&str, &str); 4] = [
    ("etc/netconfig", "/etc/netconfig"),
    ("etc/protocols", "/etc/protocols"),
    ("etc/services", "/etc/services"),
    ("usr/share/nfs-common/conffiles/nfs.conf", "/etc/nfs.conf"),
];

/// The programs of the server and of the client.
pub(super) fn programs(root: &Path) -> Result<Vec<PathBuf>> {
    PROGRAMS
        .into_iter()
        .map(|program| find(root, program).with_context(|| format!("no {program} in the packages")))
        .collect()
}

/// Files beside them, and where the guest has them.
pub(super) fn files(root: &Path) -> impl Iterator<Item = (PathBuf, &'static str)> {
    FILES.into_iter().map(|(file, to)| (root.join(file), to))
}
