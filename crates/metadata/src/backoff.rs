//! Pauses between attempts: each is twice the one before, with jitter so that nodes do not retry
//! together.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Exponential pauses; half of each pause is random.
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        let min = min.clamp(Duration::from_millis(1), max.max(Duration::from_millis(1)));
        Self {
            min,
            max: max.max(min),
            next: min,
        }
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        pause.saturating_sub(part_of(pause / 2))
    }

    /// Begins again with the first pause, after an attempt that succeeded.
    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }
}

/// A random part of a time, from nothing to all of it.
pub(super) fn part_of(time: Duration) -> Duration {
    // The keys of a fresh hasher are random, which is enough for jitter.
    let random = RandomState::new().hash_one(0u8) % (1 << 16);
    time * u32::try_from(random).unwrap_or(0) / (1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_with_jitter() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for expected in [100, 200, 400, 800, 1000, 1000] {
            let expected = Duration::from_millis(expected);
            let pause = backoff.pause();
            assert!(pause <= expected && pause >= expected / 2, "{pause:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }
}
