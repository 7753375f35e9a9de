//! The kernel side's counters, summed over the CPUs.

use aya::maps::Map;
use sensor_ebpf::{BackedUp, Counter, CpuCounts, Kind};
use telemetry::{Count, Meaning};

use super::{CaptureError, mapped::Mapped};

/// What a counter means for an event, and the counter's name in metrics.
#[must_use]
pub const fn meaning(counter: Counter) -> (Meaning, &'static str) {
    match counter {
        Counter::Seen => (Meaning::Seen, "seen"),
        Counter::Written => (Meaning::Captured, "written"),
        Counter::FilteredHost => (Meaning::Filtered, "host"),
        Counter::FilteredTree => (Meaning::Filtered, "tree"),
        Counter::FilteredOther => (Meaning::Filtered, "other"),
        Counter::FilteredNode => (Meaning::Filtered, "other_node"),
        Counter::RingFull => (Meaning::Lost, "ring_full"),
        Counter::NoScratch => (Meaning::Lost, "no_scratch"),
        Counter::Throttled => (Meaning::Lost, "throttled"),
        Counter::Truncated => (Meaning::Incomplete, "truncated"),
        Counter::Unreadable => (Meaning::Incomplete, "unreadable"),
        Counter::PathIncomplete => (Meaning::Incomplete, "path"),
        Counter::EnvironmentCut => (Meaning::Incomplete, "environment"),
        Counter::Unwatched => (Meaning::Unwatched, "unwatched"),
    }
}

/// The counters of the kernel side, mapped into memory.
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

    /// Reads all counters, by kind and in the order of [`Counter::ALL`]. Programs go on counting
    /// meanwhile, so the sums are exact only at rest.
    #[must_use]
    pub fn read(&self) -> Vec<Vec<Count>> {
        counts(|index| self.sum(index))
    }

    /// All counters of each CPU.
    pub fn read_by_cpu(&self) -> impl Iterator<Item = Vec<Vec<Count>>> {
        (0..self.cpus).map(|cpu| counts(|index| self.of_cpu(cpu, index)))
    }

    /// One counter of a kind, summed over the CPUs.
    #[must_use]
    pub fn get(&self, kind: Kind, counter: Counter) -> u64 {
        self.sum(counter.index(kind))
    }

    /// The number of runs in which the backup of a program did the work.
    pub(super) fn backed_up(&self, program: BackedUp) -> u64 {
        self.sum(program.index())
    }

    /// The sum of one counter over all CPUs.
    fn sum(&self, index: usize) -> u64 {
        (0..self.cpus).map(|cpu| self.of_cpu(cpu, index)).sum()
    }

    fn of_cpu(&self, cpu: usize, index: usize) -> u64 {
        let of_a_cpu = size_of::<CpuCounts>() / size_of::<u64>();
        self.map.long(cpu * of_a_cpu + index)
    }
}

fn counts(read: impl Fn(usize) -> u64) -> Vec<Vec<Count>> {
    let of_kind = |kind| {
        let count = |counter: Counter| {
            let (meaning, name) = meaning(counter);
            Count {
                meaning,
                name,
                events: read(counter.index(kind)),
            }
        };
        // `Seen` is the first: read last, the number has each event of the others.
        let mut counts: Vec<_> = Counter::ALL.into_iter().rev().map(count).collect();
        counts.reverse();
        counts
    };
    Kind::ALL.into_iter().map(of_kind).collect()
}
