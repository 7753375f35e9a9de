//! Counters of the event path: no locks, no allocation.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use sensor_ebpf::{COUNTERS, Counter as Kernel, KINDS, Kind};

/// Why an event that entered the ring buffer is lost.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its record could not be decoded.
    Undecodable,
}

impl Loss {
    /// All causes, in the order of their numbers.
    pub const ALL: [Self; 1] = [Self::Undecodable];

    /// Name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
        }
    }
}

/// What became of the events that entered the ring buffer, by kind.
#[derive(Debug, Default)]
pub struct Events {
    matched: [AtomicU64; KINDS],
    unmatched: [AtomicU64; KINDS],
    lost: [[AtomicU64; Loss::ALL.len()]; KINDS],
}

impl Events {
    /// A rule matched; whatever number of rules did, the event counts once.
    pub fn matched(&self, kind: Kind) {
        self.matched[kind as usize].fetch_add(1, Relaxed);
    }

    /// No rule matched.
    pub fn unmatched(&self, kind: Kind) {
        self.unmatched[kind as usize].fetch_add(1, Relaxed);
    }

    /// Events are lost.
    pub fn lost(&self, kind: Kind, cause: Loss, events: u64) {
        self.lost[kind as usize][cause as usize].fetch_add(events, Relaxed);
    }

    /// Everything as it is now, with the counters of the kernel side (summed over CPUs).
    #[must_use]
    pub fn totals(&self, kernel: &KernelCounts) -> Totals {
        Totals {
            kernel: *kernel,
            matched: std::array::from_fn(|i| self.matched[i].load(Relaxed)),
            unmatched: std::array::from_fn(|i| self.unmatched[i].load(Relaxed)),
            lost: std::array::from_fn(|kind| {
                std::array::from_fn(|cause| self.lost[kind][cause].load(Relaxed))
            }),
        }
    }
}

/// Counters of the kernel side by kind, each summed over CPUs.
pub type KernelCounts = [[u64; COUNTERS]; KINDS];

/// All counts of events at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of the kernel side.
    pub kernel: KernelCounts,
    /// Events that a rule matched.
    pub matched: [u64; KINDS],
    /// Events that no rule matched.
    pub unmatched: [u64; KINDS],
    /// Events lost behind the ring buffer, by [`Loss`].
    pub lost: [[u64; Loss::ALL.len()]; KINDS],
}

impl Totals {
    /// A counter of the kernel side.
    #[must_use]
    pub fn kernel(&self, kind: Kind, counter: Kernel) -> u64 {
        self.kernel[kind as usize][counter as usize]
    }

    /// Events that the kernel side ran for.
    #[must_use]
    pub fn seen(&self, kind: Kind) -> u64 {
        self.kernel(kind, Kernel::Seen)
    }

    /// Events that no rule wants.
    #[must_use]
    pub fn filtered(&self, kind: Kind) -> u64 {
        [
            Kernel::FilteredHost,
            Kernel::FilteredTree,
            Kernel::FilteredOther,
        ]
        .into_iter()
        .map(|counter| self.kernel(kind, counter))
        .sum()
    }

    /// Events lost, wherever.
    #[must_use]
    pub fn lost(&self, kind: Kind) -> u64 {
        let kernel: u64 = [Kernel::RingFull, Kernel::NoScratch, Kernel::Throttled]
            .into_iter()
            .map(|counter| self.kernel(kind, counter))
            .sum();
        kernel + self.lost[kind as usize].iter().sum::<u64>()
    }

    /// Events that are on their way: 0 at rest, and negative never.
    #[must_use]
    pub fn in_flight(&self, kind: Kind) -> i128 {
        let done = self.filtered(kind)
            + self.matched[kind as usize]
            + self.unmatched[kind as usize]
            + self.lost(kind);
        i128::from(self.seen(kind)) - i128::from(done)
    }

    /// *seen = filtered + unmatched + matched + Σ lost by cause*, for each kind.
    #[must_use]
    pub fn balanced(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.in_flight(kind) == 0)
    }

    /// The sum of something over all kinds.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&Self, Kind) -> u64) -> u64 {
        Kind::ALL.into_iter().map(|kind| of(self, kind)).sum()
    }
}

/// Upper bounds of a histogram's buckets, microseconds.
const BOUNDS: [u64; 12] = [
    100, 250, 1_000, 2_500, 10_000, 25_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// A distribution of times.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Adds one time.
    pub fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanos, Relaxed);
    }

    /// Each bucket's upper bound (none: no bound) and count, and the sum, in seconds.
    #[must_use]
    pub fn read(&self) -> (Vec<(Option<f64>, u64)>, f64) {
        let bounds = BOUNDS
            .iter()
            .map(|micros| Some(Duration::from_micros(*micros).as_secs_f64()))
            .chain([None]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        let sum = Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
        (bounds.zip(counts).collect(), sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_accounted_for() {
        let events = Events::default();
        (0..5).for_each(|_| events.matched(Kind::Exec));
        events.unmatched(Kind::Exec);
        events.lost(Kind::Exec, Loss::Undecodable, 2);
        let mut kernel = KernelCounts::default();
        kernel[Kind::Exec as usize][Kernel::Seen as usize] = 20;
        kernel[Kind::Exec as usize][Kernel::FilteredHost as usize] = 9;
        kernel[Kind::Exec as usize][Kernel::RingFull as usize] = 3;
        let totals = events.totals(&kernel);
        assert!(totals.balanced(), "{totals:?}");
        assert_eq!(totals.lost(Kind::Exec), 5);
        events.matched(Kind::Connect);
        assert_eq!(events.totals(&kernel).in_flight(Kind::Connect), -1);
    }
}
