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

/// A bit of [`is_wanted`]: a rule may match the event.
pub const RULES: u32 = 1;
/// A bit of [`is_wanted`]: an observer wants the event.
pub const OBSERVERS: u32 = 2;

/// For whom an event is (0: for nobody), if the budget has room for the event; counts the event if it
/// is not sent. A connect is charged later, in `connect::emit`, when the program knows more of it.
#[inline(always)]
pub fn wanted(settings: &Settings, kind: Kind, marked: bool, cgroup: &CgroupKey) -> u32 {
    let wanted = is_wanted(settings, kind, marked, cgroup);
    if wanted != 0 && budget::spend(settings, kind, wanted, cgroup) {
        wanted
    } else {
        0
    }
}

/// Who wants an event, [`RULES`] and [`OBSERVERS`]; counts the event if nobody does. For events of
/// which more is to be known before they are paid for, see `connect::emit`.
#[inline(always)]
pub fn is_wanted(settings: &Settings, kind: Kind, marked: bool, cgroup: &CgroupKey) -> u32 {
    if (settings.tree == Tree::Exclude as u32 && marked)
        || (settings.tree == Tree::Only as u32 && !marked)
    {
        count(kind, Counter::FilteredTree);
        return 0;
    }
    if all_cgroups(settings, kind) {
        return RULES;
    }
    let (wanted, counter) = in_place(settings, kind, cgroup);
    if wanted == 0 {
        count(kind, counter);
    }
    wanted
}

/// A test before [`wanted`] that counts nothing. Returns false if user space has classified the
/// task's cgroup and wants no events from cgroups of that class.
#[inline(always)]
pub fn may_be_wanted(settings: &Settings, kind: Kind, task: u64) -> bool {
    all_cgroups(settings, kind)
        || in_place(settings, kind, &cgroup::key_of(cgroup::node_of(task))).0 != 0
}

/// Whether observers want events of a kind anywhere.
#[inline(always)]
pub fn is_watched(settings: &Settings, kind: Kind) -> bool {
    has(settings.watched_host | settings.watched_container, kind)
}

/// Counts an event that only observers want, and that they do not get.
#[inline(always)]
pub fn count_unwatched(kind: Kind) {
    count(kind, Counter::FilteredOther);
    count(kind, Counter::Unwatched);
}

/// Counts an event that is lost for the rules, or that only observers lack.
#[inline(always)]
pub fn count_lost(kind: Kind, wanted: u32, counter: Counter) {
    if wanted & RULES == 0 {
        count_unwatched(kind);
    } else {
        count(kind, counter);
    }
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

/// Whether rules want events of all cgroups, and no observer asks more of this kind.
#[inline(always)]
fn all_cgroups(settings: &Settings, kind: Kind) -> bool {
    settings.wants & want::NODE == 0
        && has(settings.host & settings.container, kind)
        && !is_watched(settings, kind)
}

/// Who wants an event of that cgroup, and the counter for the event if nobody does. A cgroup that
/// user space has not classified may belong to any place.
#[inline(always)]
fn in_place(settings: &Settings, kind: Kind, cgroup: &CgroupKey) -> (u32, Counter) {
    // SAFETY: the program copies the value at once; a concurrent change replaces one aligned word.
    let class = unsafe { CGROUPS.get(cgroup) }.copied();
    let mut rules = settings.host | settings.container;
    let mut watched = settings.watched_host | settings.watched_container;
    let mut counter = Counter::FilteredOther;
    if class == Some(CgroupClass::Host as u32) {
        (rules, watched) = (settings.host, settings.watched_host);
        counter = Counter::FilteredHost;
    } else if class == Some(CgroupClass::Container as u32) {
        (rules, watched) = (settings.container, settings.watched_container);
    } else if class == Some(CgroupClass::OtherNode as u32) {
        (rules, watched) = (0, 0);
        counter = Counter::FilteredNode;
    }
    let by_rules = if has(rules, kind) { RULES } else { 0 };
    let by_observers = if has(watched, kind) { OBSERVERS } else { 0 };
    (by_rules | by_observers, counter)
}
