//! What a container may take of what all share, so that one that floods cannot
//! make the sensor lose the others' events.
//!
//! A budget is a token bucket, kept as one number: until when the events so far
//! are paid for, at one event per `budget_interval`. Somebody who is idle is paid
//! for up to now; somebody whose events are paid for further ahead than
//! `budget_burst` is over budget. Two CPUs that read the number at the same
//! moment charge one event instead of two: the budget is that much more generous.
//! What is counted is exact, since each CPU counts by itself.

use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_ringbuf_query};
use sensor_ebpf::{BUDGET_PRESSURE, CgroupKey, Counter, KINDS, Kind, Settings};

use super::{
    count::count,
    filter,
    maps::{BUDGETS, EVENTS, THROTTLED, unknown},
};

/// `BPF_RB_AVAIL_DATA` of include/uapi/linux/bpf.h: bytes that were not read yet.
const UNREAD: u64 = 0;

/// A record that is not larger costs what an event costs.
pub const LARGE: u64 = 4096;

/// Pays for an event; false, and counted, if its cgroup is over budget.
#[inline(always)]
pub fn spend(settings: &Settings, kind: Kind, cgroup: &CgroupKey) -> bool {
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
    // SAFETY: an aligned word of the map's value; others may write it meanwhile.
    let until = unsafe { core::ptr::read_volatile(paid) };
    let begin = if until < now { now } else { until };
    let ahead = begin + cost - now;
    let burst = settings.budget_burst;
    if ahead > burst || (ahead > burst / BUDGET_PRESSURE && ring_is_short(settings)) {
        throttle(kind, cgroup);
        return false;
    }
    // SAFETY: as above.
    unsafe { core::ptr::write_volatile(paid, begin + cost) };
    true
}

/// Charges for the size of a record, which is known only once it is written: one
/// event for each KiB beyond [`LARGE`]. Otherwise few events with large argv could
/// fill the ring buffer within the budget.
#[inline(always)]
pub fn charge(cgroup: &CgroupKey, bytes: u64) {
    let Some(settings) = filter::settings() else {
        return;
    };
    if let Some(paid) = BUDGETS.get_ptr_mut(cgroup) {
        let cost = (bytes - LARGE) / 1024 * settings.budget_interval;
        // SAFETY: an aligned word of the map's value; others may write it meanwhile.
        unsafe { core::ptr::write_volatile(paid, core::ptr::read_volatile(paid) + cost) };
    }
}

/// Whether the ring buffer is nearly full. Asked only of those who are in a burst.
#[inline(always)]
fn ring_is_short(settings: &Settings) -> bool {
    // SAFETY: EVENTS is a ring buffer.
    let unread = unsafe { bpf_ringbuf_query((&raw const EVENTS).cast_mut().cast(), UNREAD) };
    unread > settings.budget_ring
}

/// What a cgroup has been refused before the first event; in read-only memory, as the stack has no
/// room for a number for each kind.
static NOTHING: [u64; KINDS] = [0; KINDS];

/// Counts an event that is lost because its cgroup is over budget.
#[inline(always)]
fn throttle(kind: Kind, cgroup: &CgroupKey) {
    count(kind, Counter::Throttled);
    if THROTTLED.get_ptr_mut(cgroup).is_none() {
        // Full: then user space sees the difference to the sum of all.
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
