//! Converts the kernel's time since boot to UTC.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The age at which the clock samples a new offset: the two clocks drift apart.
const MAX_AGE: Duration = Duration::from_millis(100);
/// The largest drift between two samples, nanoseconds. A larger difference means that the clock was
/// set.
const MAX_DRIFT: u64 = 1_000_000;

/// The offset from nanoseconds since boot to nanoseconds since the epoch.
#[derive(Debug)]
pub struct Clock {
    offset: i64,
    sampled: Instant,
}

impl Clock {
    /// Samples the offset.
    #[must_use]
    pub fn new() -> Self {
        Self {
            offset: sample(),
            sampled: Instant::now(),
        }
    }

    /// Sets the offset to that of a recording.
    pub fn set(&mut self, boot_to_utc: i64) {
        self.offset = boot_to_utc;
    }

    /// Samples the offset again if the last sample is old or the clock was set. The capture thread
    /// calls this once for each batch.
    pub fn refresh(&mut self) {
        let now = nanoseconds(ClockId::Realtime) - nanoseconds(ClockId::Boottime);
        if now.abs_diff(self.offset) > MAX_DRIFT || self.sampled.elapsed() >= MAX_AGE {
            *self = Self::new();
        }
    }

    /// The number to add to nanoseconds since boot, to get nanoseconds since the epoch.
    #[must_use]
    pub fn boot_to_utc(&self) -> i64 {
        self.offset
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// The offset at this moment: of three samples the one that took the shortest time, so that an
/// interruption between the two readings does no harm.
fn sample() -> i64 {
    let mut best = (i64::MAX, 0);
    for _ in 0..3 {
        let before = nanoseconds(ClockId::Boottime);
        let utc = nanoseconds(ClockId::Realtime);
        let after = nanoseconds(ClockId::Boottime);
        let took = after - before;
        if took < best.0 {
            best = (took, utc - (before + took / 2));
        }
    }
    best.1
}

fn nanoseconds(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_plus_the_offset_is_utc() {
        let clock = Clock::new();
        let utc = nanoseconds(ClockId::Boottime) + clock.boot_to_utc();
        let difference = (nanoseconds(ClockId::Realtime) - utc).abs();
        assert!(difference < 50_000_000, "{difference} ns");
    }

    #[test]
    fn the_offset_follows_a_clock_that_was_set_at_once() {
        let mut clock = Clock::new();
        let right = clock.offset;
        clock.offset += 3_600_000_000_000;
        clock.refresh();
        assert!(clock.offset.abs_diff(right) < 50_000_000);
    }
}
