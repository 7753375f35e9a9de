//! Paths: the names of a path from the innermost out, across mounts.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use sensor_ebpf::{COMPONENTS_MAX, NAME_MAX};

use super::{
    kernel::{cast, follow, kread, off},
    record::{HEAD, Record},
};

/// How a walk ended.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum End {
    /// At the root.
    Root = 0,
    /// Below the root: the path is too deep or too long, or belongs to a tree that is mounted
    /// nowhere.
    Incomplete = 1,
    /// At the start: the file is in no directory (a memfd), and the record has the file's own name.
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
    let (mut mount, mut dentry) = ends(path);
    // No constant stands in for an absent root: the verifier would decide comparisons with a
    // constant, and then check the rest once for each thing it knows about an address.
    let root: Option<(u64, u64)> = root.map(ends);
    let end = record.position() + most - NAME_MAX;
    for step in 0..COMPONENTS_MAX {
        if root == Some((mount, dentry)) {
            return End::Root;
        }
        let mnt_root: u64 = follow(mount + off!(mount_mnt) + off!(vfsmount_mnt_root));
        if dentry == mnt_root {
            let up: u64 = follow(mount + off!(mount_mnt_parent));
            if up == mount || up == 0 {
                return End::Root; // of the mount tree
            }
            dentry = follow(mount + off!(mount_mnt_mountpoint));
            mount = up;
            continue;
        }
        let parent: u64 = follow(dentry + off!(dentry_d_parent));
        let name: u64 = follow(dentry + off!(dentry_d_name_name));
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

/// The mount and the dentry of the `struct path` at an address, both cast.
#[inline(always)]
fn ends(path: u64) -> (u64, u64) {
    let mnt: u64 = kread(path + off!(path_mnt));
    let dentry: u64 = kread(path + off!(path_dentry));
    (cast!(mount, mnt - off!(mount_mnt)), cast!(dentry, dentry))
}
