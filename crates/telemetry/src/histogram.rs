//! Histograms of times.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds of the buckets in microseconds.
const BOUNDS: [u64; 12] = [
    100, 250, 1_000, 2_500, 10_000, 25_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// A histogram of times.
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

    /// Upper bound (none: no bound) and count of each bucket, and the sum in seconds.
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
    fn a_time_is_in_the_first_bucket_that_has_room_for_it() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(100));
        histogram.record(Duration::from_micros(101));
        histogram.record(Duration::from_mins(1));
        let (buckets, sum) = histogram.read();
        let counts: Vec<u64> = buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts[..3], [1, 1, 0]);
        assert_eq!(buckets.last(), Some(&(None, 1)));
        assert!((sum - 60.000_201).abs() < 1e-9, "{sum}");
    }
}
