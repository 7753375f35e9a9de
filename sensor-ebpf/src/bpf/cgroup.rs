//! The cgroup of a task: its key and its names.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use sensor_ebpf::{CgroupKey, NAME_MAX};

use super::{
    kernel::{load, off},
    record::{HEAD, Record},
};

/// Most names of a cgroup's path in a record: the outermost ones, which identify the container.
const NAMES_MAX: u64 = 24;
/// Most nested cgroups. The names of a deeper cgroup end below the root, and identify no container.
const DEPTH_MAX: u32 = 256;
/// How many controllers of cgroup v1 the programs look at.
const SUBSYSTEMS: u64 = 8;

/// Address of the kernfs node of a task's cgroup. The cgroup is that of the v2 hierarchy; if the
/// task is in the root of that hierarchy, the cgroup is that of the first v1 controller in which
/// the task is below the root.
#[inline(always)]
pub fn node_of(task: u64) -> u64 {
    let css_set: u64 = load(task + off!(task_cgroups));
    let cgroup: u64 = load(css_set + off!(css_set_dfl_cgrp));
    // Through the cgroup's pointer to itself, which has the same type for the verifier as a
    // controller's pointer: the verifier checks the code below once for both.
    let cgroup: u64 = load(cgroup + off!(cgroup_self) + off!(css_cgroup));
    let node: u64 = load(cgroup + off!(cgroup_kn));
    let parent: u64 = load(node + off!(kernfs_node_parent));
    if parent != 0 {
        return node;
    }
    for i in 0..SUBSYSTEMS {
        let css: u64 = load(css_set + off!(css_set_subsys) + 8 * i);
        let cgroup: u64 = load(css + off!(css_cgroup));
        let v1: u64 = load(cgroup + off!(cgroup_kn));
        let parent: u64 = load(v1 + off!(kernfs_node_parent));
        if css != 0 && parent != 0 {
            return v1;
        }
    }
    node
}

/// The key of a cgroup.
#[inline(always)]
pub fn key_of(node: u64) -> CgroupKey {
    CgroupKey {
        node,
        id: load(node + off!(kernfs_node_id)),
    }
}

/// Appends the names of a cgroup, innermost first, each with its NUL; of a very deep cgroup only
/// the outermost names. Returns true if the walk reached the root.
#[inline(always)]
pub fn append_names<Fixed>(record: &mut Record<Fixed>, node: u64) -> bool {
    // The depth lives in map memory for the same reason as the position.
    record.set_depth(0);
    let mut at = node;
    for _ in 0..DEPTH_MAX {
        let parent: u64 = load(at + off!(kernfs_node_parent));
        if parent == 0 {
            break;
        }
        at = parent;
        record.set_depth(record.depth() + 1);
    }
    let mut at = node;
    for _ in 0..DEPTH_MAX {
        let parent: u64 = load(at + off!(kernfs_node_parent));
        if parent == 0 {
            return true;
        }
        let depth = record.depth();
        record.set_depth(depth - 1);
        if depth <= NAMES_MAX {
            let name: u64 = load(at + off!(kernfs_node_name));
            let position = record.position();
            if position > HEAD - NAME_MAX {
                return false;
            }
            // SAFETY: `position + NAME_MAX` is in `data`.
            let n = unsafe {
                bpf_probe_read_kernel_str(
                    record.data.as_mut_ptr().add(position).cast(),
                    NAME_MAX as u32,
                    name as *const _,
                )
            };
            if n <= 0 {
                return false;
            }
            record.set_position(position + n as usize);
        }
        at = parent;
    }
    false
}
