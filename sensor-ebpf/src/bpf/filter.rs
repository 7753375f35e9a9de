//! Which events user space wants.

use sensor_ebpf::{CgroupClass, CgroupKey, Counter, Kind, Settings, Tree, want};

use super::{
    count::count,
    maps::{CGROUPS, SETTINGS},
};

/// The settings of this moment.
#[inline(always)]
pub fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0)
}

/// Whether an event is wanted; counts it if not.
#[inline(always)]
pub fn wanted(settings: &Settings, kind: Kind, marked: bool, cgroup: &CgroupKey) -> bool {
    if (settings.tree == Tree::Exclude as u32 && marked)
        || (settings.tree == Tree::Only as u32 && !marked)
    {
        count(kind, Counter::FilteredTree);
        return false;
    }
    let (host, container) = (want::HOST << kind as u32, want::CONTAINER << kind as u32);
    let both = host | container;
    if settings.wants & both != both {
        // SAFETY: the value is copied at once; a concurrent change of it is of
        // one aligned word.
        let class = unsafe { CGROUPS.get(cgroup) }.copied();
        if class == Some(CgroupClass::Host as u32) && settings.wants & host == 0 {
            count(kind, Counter::FilteredHost);
            return false;
        }
        if class == Some(CgroupClass::Container as u32) && settings.wants & container == 0 {
            count(kind, Counter::FilteredOther);
            return false;
        }
    }
    true
}
