//! The kernel side's counters, summed over the CPUs.

use aya::maps::{MapData, PerCpuArray};
use sensor_ebpf::{COUNTERS, Counter, KINDS, Kind};

use super::CaptureError;

/// The counters of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals([[u64; COUNTERS]; KINDS]);

impl Totals {
    /// One counter.
    #[must_use]
    pub fn get(&self, kind: Kind, counter: Counter) -> u64 {
        self.0[kind as usize][counter as usize]
    }

    /// All counters, by kind and by number.
    #[must_use]
    pub fn raw(&self) -> [[u64; COUNTERS]; KINDS] {
        self.0
    }

    /// One counter over all kinds.
    #[must_use]
    pub fn all(&self, counter: Counter) -> u64 {
        self.0.iter().map(|kind| kind[counter as usize]).sum()
    }

    /// What was filtered, whatever the reason.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        [
            Counter::FilteredHost,
            Counter::FilteredTree,
            Counter::FilteredOther,
        ]
        .iter()
        .map(|c| self.all(*c))
        .sum()
    }

    /// What was lost, whatever the reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        [Counter::RingFull, Counter::NoScratch, Counter::Throttled]
            .iter()
            .map(|c| self.all(*c))
            .sum()
    }
}

/// The map of the counters.
pub struct KernelCounts(PerCpuArray<MapData, u64>);

impl KernelCounts {
    pub(super) fn new(map: PerCpuArray<MapData, u64>) -> Self {
        Self(map)
    }

    /// Reads all counters. Programs go on counting meanwhile, so they add up
    /// exactly only at rest.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn read(&self) -> Result<Totals, CaptureError> {
        let mut totals = Totals::default();
        for kind in [Kind::Exec, Kind::ExecFailed, Kind::Connect] {
            for counter in Counter::ALL {
                let values =
                    self.0
                        .get(&counter.index(kind), 0)
                        .map_err(|source| CaptureError::Map {
                            map: "COUNTS",
                            source,
                        })?;
                totals.0[kind as usize][counter as usize] = values.iter().sum();
            }
        }
        Ok(totals)
    }
}
