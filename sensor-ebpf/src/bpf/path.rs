//! Paths: names from the innermost out, across mounts.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use sensor_ebpf::{COMPONENTS_MAX, NAME_MAX};

use super::{
    kernel::{kread, off},
    record::{HEAD, Record},
};

/// How a walk ended.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum End {
    /// At the root.
    Root = 0,
    /// Elsewhere: too deep, too long, or in a tree that hangs on nothing.
    Incomplete = 1,
    /// At once: the file is in no directory (a memfd); its name was taken.
    Nameless = 2,
}

/// Appends the name of a dentry; false if there is no room.
#[inline(always)]
fn append_name<Fixed>(record: &mut Record<Fixed>, name: u64) -> bool {
    let at = record.position();
    if at > HEAD - NAME_MAX {
        return false;
    }
    // SAFETY: `at + NAME_MAX` is in `data`.
    let n = unsafe {
        bpf_probe_read_kernel_str(
            record.data.as_mut_ptr().add(at).cast(),
            NAME_MAX as u32,
            name as *const _,
        )
    };
    if n <= 0 {
        return false;
    }
    record.set_position(at + n as usize);
    true
}

/// Appends the names of a `struct path`, innermost first, each with its NUL, up
/// to the `struct path` at `root` (none: up to the root of the mount namespace),
/// at most `most` bytes.
#[inline(always)]
pub fn append_path<Fixed>(
    record: &mut Record<Fixed>,
    path: u64,
    root: Option<u64>,
    most: usize,
) -> End {
    let mut mnt: u64 = kread(path + off!(path_mnt));
    let mut dentry: u64 = kread(path + off!(path_dentry));
    // Nothing stands in for a root that is not there: against a constant the verifier would
    // decide comparisons, and then tell apart what else it knows of each address.
    let root: Option<(u64, u64)> = root.map(|root| {
        let mnt = kread(root + off!(path_mnt));
        (kread(root + off!(path_dentry)), mnt)
    });
    let end = record.position() + most - NAME_MAX;
    for step in 0..COMPONENTS_MAX {
        if root == Some((dentry, mnt)) {
            return End::Root;
        }
        let mnt_root: u64 = kread(mnt + off!(vfsmount_mnt_root));
        if dentry == mnt_root {
            let mount = mnt - off!(mount_mnt);
            let up: u64 = kread(mount + off!(mount_mnt_parent));
            if up == mount || up == 0 {
                return End::Root; // of the mount tree
            }
            dentry = kread(mount + off!(mount_mnt_mountpoint));
            mnt = up + off!(mount_mnt);
            continue;
        }
        let parent: u64 = kread(dentry + off!(dentry_d_parent));
        let name: u64 = kread(dentry + off!(dentry_d_name_name));
        if parent == dentry || parent == 0 {
            if step == 0 && append_name(record, name) {
                return End::Nameless;
            }
            return End::Incomplete;
        }
        if record.position() > end || !append_name(record, name) {
            return End::Incomplete;
        }
        dentry = parent;
    }
    End::Incomplete
}
