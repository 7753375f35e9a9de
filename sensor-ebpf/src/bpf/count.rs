//! Per-CPU counters.

use sensor_ebpf::{Counter, Kind};

use super::maps::COUNTS;

/// Adds one.
#[inline(always)]
pub fn count(kind: Kind, counter: Counter) {
    if let Some(value) = COUNTS.get_ptr_mut(counter.index(kind)) {
        // SAFETY: the map's value of this CPU; programs of one kind do not
        // interrupt each other on a CPU, so a plain addition loses nothing.
        unsafe { *value += 1 }
    }
}
