//! Counts of look-ups in a cache.

/// Look-ups in a cache, counted by its only user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Look-ups with an answer.
    pub hits: u64,
    /// Look-ups without an answer.
    pub misses: u64,
    /// Entries that it dropped to make room.
    pub evictions: u64,
}

impl Lookups {
    /// Counts one look-up.
    pub fn count(&mut self, hit: bool) {
        if hit {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
    }
}
