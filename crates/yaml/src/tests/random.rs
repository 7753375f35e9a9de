//! Numbers by chance, from a seed.

use std::time::{SystemTime, UNIX_EPOCH};

/// The generator "splitmix64".
pub(super) struct Random(u64);

impl Random {
    /// A generator with a seed of its own for each run; the seed of the variable `YAML_SEED`
    /// repeats a run.
    pub(super) fn fresh() -> (Self, u64) {
        let seed = match std::env::var("YAML_SEED") {
            Ok(seed) => seed.parse().expect("YAML_SEED is a number"),
            Err(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(1, |now| u64::from(now.subsec_nanos()) << 32 | now.as_secs()),
        };
        (Self(seed), seed)
    }

    /// A number from 0 to `end - 1`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = usize::try_from((x ^ x >> 31) >> 32).unwrap();
        bits % end.max(1)
    }

    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
