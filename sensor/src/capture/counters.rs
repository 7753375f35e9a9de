//! The kernel side's counters, summed over the CPUs.

use aya::maps::Map;
use sensor_ebpf::{BackedUp, COUNTERS, Counter, CpuCounts, KINDS, Kind};

use super::{CaptureError, mapped::Mapped};

/// The counters of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals([[u64; COUNTERS]; KINDS]);

impl Totals {
    fn of(read: impl Fn(usize) -> u64) -> Self {
        let mut totals = Self::default();
        for kind in Kind::ALL {
            for counter in Counter::ALL {
                totals.0[kind as usize][counter as usize] = read(counter.index(kind));
            }
        }
        totals
    }

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
}

/// The map of the counters.
#[derive(Debug)]
pub struct KernelCounts {
    map: Mapped,
    cpus: usize,
}

impl KernelCounts {
    pub(super) fn new(map: &Map, cpus: u32) -> Result<Self, CaptureError> {
        let cpus = cpus as usize;
        Ok(Self {
            map: Mapped::new(map, "COUNTS", cpus * size_of::<CpuCounts>())?,
            cpus,
        })
    }

    /// Reads all counters. Programs go on counting meanwhile, so they add up
    /// exactly only at rest.
    #[must_use]
    pub fn read(&self) -> Totals {
        Totals::of(|index| self.sum(index))
    }

    /// The same of each CPU.
    pub fn read_by_cpu(&self) -> impl Iterator<Item = Totals> {
        (0..self.cpus).map(|cpu| Totals::of(|index| self.of_cpu(cpu, index)))
    }

    /// How often the backup of a program did its work.
    pub(super) fn backed_up(&self, program: BackedUp) -> u64 {
        self.sum(program.index())
    }

    /// One counter of all CPUs.
    fn sum(&self, index: usize) -> u64 {
        (0..self.cpus).map(|cpu| self.of_cpu(cpu, index)).sum()
    }

    fn of_cpu(&self, cpu: usize, index: usize) -> u64 {
        let of_a_cpu = size_of::<CpuCounts>() / size_of::<u64>();
        self.map.long(cpu * of_a_cpu + index)
    }
}
