//! The filter: which events user space wants.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use sensor_ebpf::{COMM_LEN, CgroupClass, CgroupKey, Counter, Kind, Settings, Tree, want};

use super::{
    budget, cgroup,
    count::count,
    kernel::off,
    maps::{CGROUPS, NAMES, SETTINGS, element},
};

/// The settings in force now.
#[inline(always)]
pub fn settings() -> Option<&'static Settings> {
    // SAFETY: the map's value outlives every program's run; user space alone writes it.
    element(&SETTINGS, 0).map(|settings| unsafe { settings.as_ref() })
}

/// Whether a mask of the settings has a kind.
#[inline(always)]
pub fn has(mask: u64, kind: Kind) -> bool {
    mask & 1 << kind as u32 != 0
}

/// Whether user space wants an event and the budget of its cgroup has room for the event; counts
/// the event if not. A connect is charged later, in `connect::emit`, when the program knows more of
/// it.
#[inline(always)]
pub fn wanted(settings: &Settings, kind: Kind, marked: bool, cgroup: &CgroupKey) -> bool {
    is_wanted(settings, kind, marked, cgroup) && budget::spend(settings, kind, cgroup)
}

/// Whether an event is wanted; counts it if not. For events of which more is to be known before
/// they are paid for, see `connect::emit`.
#[inline(always)]
pub fn is_wanted(settings: &Settings, kind: Kind, marked: bool, cgroup: &CgroupKey) -> bool {
    if (settings.tree == Tree::Exclude as u32 && marked)
        || (settings.tree == Tree::Only as u32 && !marked)
    {
        count(kind, Counter::FilteredTree);
        return false;
    }
    if all_cgroups(settings, kind) {
        return true;
    }
    match unwanted(settings, kind, cgroup) {
        Some(counter) => {
            count(kind, counter);
            false
        }
        None => true,
    }
}

/// A test before [`wanted`] that counts nothing. Returns false if user space has classified the
/// task's cgroup and wants no events from cgroups of that class.
#[inline(always)]
pub fn may_be_wanted(settings: &Settings, kind: Kind, task: u64) -> bool {
    all_cgroups(settings, kind)
        || unwanted(settings, kind, &cgroup::key_of(cgroup::node_of(task))).is_none()
}

/// Whether user space wants connects of a process, by the name of the process's first thread.
#[inline(always)]
pub fn wanted_name(settings: &Settings, leader: u64) -> bool {
    if settings.wants & want::NAMES == 0 {
        return true;
    }
    // Copied as text, since older kernels leave old bytes behind the NUL of the name.
    let mut name = [0_u8; COMM_LEN];
    let comm = leader + off!(task_comm);
    // SAFETY: the helper writes at most as many bytes as there are.
    unsafe {
        bpf_probe_read_kernel_str(name.as_mut_ptr().cast(), COMM_LEN as u32, comm as *const _)
    };
    // SAFETY: the program only tests whether there is a value, and does not read it.
    unsafe { NAMES.get(&name) }.is_some()
}

/// Whether user space wants events of all cgroups.
#[inline(always)]
fn all_cgroups(settings: &Settings, kind: Kind) -> bool {
    settings.wants & want::NODE == 0 && has(settings.host & settings.container, kind)
}

/// The counter for an event of that cgroup that the filter drops; none if the filter lets the event
/// through.
#[inline(always)]
fn unwanted(settings: &Settings, kind: Kind, cgroup: &CgroupKey) -> Option<Counter> {
    // SAFETY: the program copies the value at once; a concurrent change replaces one aligned word.
    let class = unsafe { CGROUPS.get(cgroup) }.copied();
    if class == Some(CgroupClass::Host as u32) && !has(settings.host, kind) {
        return Some(Counter::FilteredHost);
    }
    if class == Some(CgroupClass::Container as u32) && !has(settings.container, kind) {
        return Some(Counter::FilteredOther);
    }
    if class == Some(CgroupClass::OtherNode as u32) {
        return Some(Counter::FilteredNode);
    }
    None
}
