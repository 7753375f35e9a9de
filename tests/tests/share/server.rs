//! Debian's NFS server, and a mount of what it exports.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

/// The folder that the server exports: a file system of its own, which can be full.
const EXPORTED: &str = "/srv/share";
/// Where the client mounts the folder.
const MOUNTED: &str = "/share";
/// How the server exports the folder.
const EXPORT: &str = "rw,sync,no_root_squash,no_subtree_check,fsid=7";

/// What a machine does before it serves.
const SET_UP: &str = "
echo _rpc:x:106:65534::/run/rpcbind:/bin/false >> /etc/passwd
mkdir -p /run/rpcbind /run/rpc_pipefs /var/lib/nfs/nfsdcld /var/lib/nfs/v4recovery /srv/share /share
touch /etc/exports /var/lib/nfs/etab /var/lib/nfs/rmtab
mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs
mount -t nfsd nfsd /proc/fs/nfsd
mount -t tmpfs -o size=64m share /srv/share
echo 10 > /proc/fs/nfsd/nfsv4gracetime
echo 10 > /proc/fs/nfsd/nfsv4leasetime
rpcbind -w
nfsdcld
rpc.mountd
";

/// Runs commands of a shell, which must succeed.
fn shell(commands: &str) {
    let output = Command::new("sh").args(["-ec", commands]).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{commands}: {text}");
}

/// The server, which is started once in a guest.
pub(crate) struct Server(());

#[expect(clippy::unused_self, reason = "only who has started it may use it")]
impl Server {
    pub(crate) fn start() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            shell(SET_UP);
            let server = Self(());
            server.export();
            server.go_on();
        });
        Self(())
    }

    /// The folder of the logs, as the server sees it.
    pub(crate) fn logs(&self) -> PathBuf {
        Path::new(EXPORTED).join("logs")
    }

    /// Ends the server's threads: connections break, and new ones are refused.
    pub(crate) fn stop(&self) {
        shell("rpc.nfsd 0");
    }

    /// Starts the server's threads.
    pub(crate) fn go_on(&self) {
        shell("rpc.nfsd 8");
    }

    /// Takes the export away: its file handles are stale.
    pub(crate) fn take_away(&self) {
        shell(&format!("exportfs -u 127.0.0.1:{EXPORTED}; exportfs -f"));
    }

    /// Exports the folder.
    pub(crate) fn export(&self) {
        shell(&format!("exportfs -o {EXPORT} 127.0.0.1:{EXPORTED}"));
    }

    /// Fills the share to its last page.
    pub(crate) fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).unwrap();
        for size in [1 << 20, 4096] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        Path::new(EXPORTED).join("ballast")
    }
}

/// The share where the client has it. Unmounted, and emptied, when dropped.
pub(crate) struct Share(());

#[expect(clippy::unused_self, reason = "only who has started it may use it")]
impl Share {
    pub(crate) fn mount(options: &str) -> Self {
        shell(&format!(
            "mount.nfs 127.0.0.1:{EXPORTED} {MOUNTED} -o {options}"
        ));
        Self(())
    }

    /// The folder of the logs, as the client sees it.
    pub(crate) fn logs(&self) -> PathBuf {
        Path::new(MOUNTED).join("logs")
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        shell(&format!("umount -l {MOUNTED}; rm -rf {EXPORTED}/*"));
    }
}
