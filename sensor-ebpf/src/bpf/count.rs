//! Per-CPU counters.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use sensor_ebpf::{Counter, Kind};

use super::maps::COUNTS;

/// Adds one.
#[inline(always)]
pub fn count(kind: Kind, counter: Counter) {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    if let Some(counts) = COUNTS.get_ptr_mut(cpu) {
        // SAFETY: the map's value of this CPU; programs of one kind do not
        // interrupt each other on a CPU, so a plain addition loses nothing.
        unsafe { (*counts)[counter.index(kind)] += 1 }
    }
}
