//! Per-CPU counters.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use sensor_ebpf::{BackedUp, Counter, CpuCounts, Kind};

use super::maps::{COUNTS, element, unknown};

/// How many counters a CPU has.
const LEN: usize = size_of::<CpuCounts>() / size_of::<u64>();

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
    // By a mask and not by a comparison, behind which the program would be verified for each
    // outcome by itself. It changes no index.
    const {
        assert!(LEN.is_power_of_two());
    }
    let index = unknown(index) & (LEN - 1);
    if let Some(counts) = element(&COUNTS, cpu) {
        // SAFETY: the index is in the map's value, of this CPU; programs that count the
        // same do not interrupt each other on a CPU, so a plain addition loses nothing.
        unsafe { *counts.cast::<u64>().add(index).as_ptr() += 1 }
    }
}
