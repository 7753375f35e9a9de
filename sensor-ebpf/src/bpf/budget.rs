//! The budget of each cgroup: one container that floods the sensor cannot make the sensor lose the
//! events of other containers.
//!
//! A budget is a token bucket, kept as one number: the time up to which the cgroup has paid for its
//! events, at one event for each `budget_interval`. An idle cgroup has paid up to now. A cgroup
//! that has paid for more than `budget_burst` ahead of now is over budget. Two CPUs that read the
//! number at the same moment charge one event instead of two, so the budget is slightly more
//! generous then. The counters stay exact, since each CPU has its own.

use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_ringbuf_query};
use sensor_ebpf::{BUDGET_PRESSURE, CgroupKey, Counter, KINDS, Kind, Settings};

use super::{
    count::count,
    filter,
    maps::{BUDGETS, EVENTS, THROTTLED, unknown},
};

/// `BPF_RB_AVAIL_DATA` of include/uapi/linux/bpf.h: bytes that user space has not read yet.
const UNREAD: u64 = 0;

/// Bytes up to which a record costs as much as one event.
pub const LARGE: u64 = 4096;

/// The key under which the events that only observers want pay. No cgroup has this key.
const OBSERVERS: CgroupKey = CgroupKey { node: 0, id: 1 };

/// Who pays for an event of a cgroup.
#[inline(always)]
pub fn payer(by_rules: bool, cgroup: &CgroupKey) -> CgroupKey {
    if by_rules { *cgroup } else { OBSERVERS }
}

/// Charges for an event that is wanted, see [`filter::is_wanted`]: the cgroup, or the observers if
/// only they want the event. Returns false, and counts the event, if the payer is over budget.
#[inline(always)]
pub fn spend(settings: &Settings, kind: Kind, wanted: u32, cgroup: &CgroupKey) -> bool {
    if wanted & filter::RULES == 0 {
        let pays = unread() <= settings.watched_ring && pay(settings, &OBSERVERS);
        if !pays {
            filter::count_unwatched(kind);
        }
        return pays;
    }
    let pays = pay(settings, cgroup);
    if !pays {
        throttle(kind, cgroup);
    }
    pays
}

/// Charges for an event, if the budget has room for it.
#[inline(always)]
fn pay(settings: &Settings, cgroup: &CgroupKey) -> bool {
    let cost = settings.budget_interval;
    if cost == 0 {
        return true;
    }
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let Some(paid) = BUDGETS.get_ptr_mut(cgroup) else {
        let _ = BUDGETS.insert(cgroup, &(now + cost), 0);
        return true;
    };
    // SAFETY: the pointer leads to an aligned word of the map's value; other CPUs may write the
    // word meanwhile.
    let until = unsafe { core::ptr::read_volatile(paid) };
    let begin = if until < now { now } else { until };
    let ahead = begin + cost - now;
    let burst = settings.budget_burst;
    if ahead > burst || (ahead > burst / BUDGET_PRESSURE && unread() > settings.budget_ring) {
        return false;
    }
    // SAFETY: as above.
    unsafe { core::ptr::write_volatile(paid, begin + cost) };
    true
}

/// Charges the cgroup for the size of a record, which is known only once the record is complete:
/// one event for each KiB beyond [`LARGE`]. Otherwise few events with a large argv could fill the
/// ring buffer within the budget.
#[inline(always)]
pub fn charge(cgroup: &CgroupKey, bytes: u64) {
    let Some(settings) = filter::settings() else {
        return;
    };
    if let Some(paid) = BUDGETS.get_ptr_mut(cgroup) {
        let cost = (bytes - LARGE) / 1024 * settings.budget_interval;
        // SAFETY: the pointer leads to an aligned word of the map's value; other CPUs may write the
        // word meanwhile.
        unsafe { core::ptr::write_volatile(paid, core::ptr::read_volatile(paid) + cost) };
    }
}

/// Bytes of the ring buffer that user space has not read yet.
#[inline(always)]
fn unread() -> u64 {
    // SAFETY: EVENTS is a ring buffer.
    unsafe { bpf_ringbuf_query((&raw const EVENTS).cast_mut().cast(), UNREAD) }
}

/// The counts of a cgroup before its first throttled event. They are in read-only memory, as the
/// stack has no room for a number for each kind.
static NOTHING: [u64; KINDS] = [0; KINDS];

/// Counts an event that is lost because its cgroup is over budget.
#[inline(always)]
fn throttle(kind: Kind, cgroup: &CgroupKey) {
    count(kind, Counter::Throttled);
    if THROTTLED.get_ptr_mut(cgroup).is_none() {
        // If the map is full, user space computes the missing events from the sum of all cgroups.
        let _ = THROTTLED.insert(cgroup, &NOTHING, 0);
    }
    let kind = unknown(kind as usize);
    if kind >= KINDS {
        return;
    }
    if let Some(counts) = THROTTLED.get_ptr_mut(cgroup) {
        // SAFETY: the number is in the map's value of this CPU, see `count`.
        unsafe { *counts.cast::<u64>().add(kind) += 1 }
    }
}
