//! Per-CPU counters.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use sensor_ebpf::{BackedUp, Counter, CpuCounts, Kind};

use super::maps::{COUNTS, element, unknown};

/// Counts an event.
#[inline(always)]
pub fn count(kind: Kind, counter: Counter) {
    add_one(counter.index(kind));
}

/// Counts a run in which a backup did the work of its program.
#[inline(always)]
pub fn count_backed_up(program: BackedUp) {
    add_one(program.index());
}

#[inline(always)]
fn add_one(index: usize) {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let index = unknown(index);
    if let Some(counts) = element(&COUNTS, cpu)
        && index < size_of::<CpuCounts>() / size_of::<u64>()
    {
        // SAFETY: the index is within the map's value for this CPU. Programs that add to the same
        // counter do not interrupt each other on a CPU, so a plain addition loses nothing.
        unsafe { *counts.cast::<u64>().add(index).as_ptr() += 1 }
    }
}
