//! Whose events the kernel side refused because a budget was used up.

use aya::maps::{MapData, PerCpuHashMap};
use sensor_ebpf::{CgroupKey, KINDS, THROTTLED_MAX};

use super::CaptureError;

/// The map of what was refused, by cgroup.
pub struct Throttled(PerCpuHashMap<MapData, [u64; 2], [u64; KINDS]>);

impl Throttled {
    pub(super) fn new(map: PerCpuHashMap<MapData, [u64; 2], [u64; KINDS]>) -> Self {
        Self(map)
    }

    /// Whether so many entries are all there can be.
    #[must_use]
    pub fn is_full(&self, entries: usize) -> bool {
        entries >= THROTTLED_MAX as usize
    }

    /// Forgets a cgroup; one that is refused events again begins at 0.
    pub fn remove(&mut self, key: CgroupKey) {
        // An entry that is gone already is what is wanted.
        let _ = self.0.remove(&[key.node, key.id]);
    }

    /// Events refused since the start, of each cgroup and by kind, summed over the CPUs.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn read(&self) -> Result<Vec<(CgroupKey, [u64; KINDS])>, CaptureError> {
        let entries = self.0.iter().map(|entry| {
            let ([node, id], values) = entry?;
            let mut sum = [0; KINDS];
            for counts in values.iter() {
                for (sum, count) in sum.iter_mut().zip(counts) {
                    *sum += count;
                }
            }
            Ok((CgroupKey { node, id }, sum))
        });
        entries
            .collect::<Result<_, _>>()
            .map_err(|source| CaptureError::Map {
                map: "THROTTLED",
                source,
            })
    }
}
