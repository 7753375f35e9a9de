//! The events of each cgroup that the kernel side throttled.

use std::io::ErrorKind::NotFound;

use aya::maps::{MapData, MapError, PerCpuHashMap};
use sensor_ebpf::{CgroupKey, KINDS, THROTTLED_MAX};

use super::CaptureError;

/// The map of the throttled events, by cgroup.
pub struct Throttled(PerCpuHashMap<MapData, [u64; 2], [u64; KINDS]>);

impl Throttled {
    pub(super) fn new(map: PerCpuHashMap<MapData, [u64; 2], [u64; KINDS]>) -> Self {
        Self(map)
    }

    /// Whether the map has no room for more than this number of entries.
    #[must_use]
    pub fn is_full(entries: usize) -> bool {
        entries >= THROTTLED_MAX as usize
    }

    /// Removes a cgroup; its next throttled event counts from 0.
    ///
    /// # Errors
    /// If the map cannot be written, because another process has frozen it.
    pub fn remove(&mut self, key: CgroupKey) -> Result<(), CaptureError> {
        match self.0.remove(&[key.node, key.id]) {
            // The entry is already removed.
            Err(MapError::SyscallError(error)) if error.io_error.kind() == NotFound => Ok(()),
            done => done.map_err(failed),
        }
    }

    /// The throttled events of each cgroup since its entry was made, by kind, summed over the CPUs.
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
        entries.collect::<Result<_, _>>().map_err(failed)
    }
}

fn failed(source: MapError) -> CaptureError {
    CaptureError::Map {
        map: "THROTTLED",
        source,
    }
}
