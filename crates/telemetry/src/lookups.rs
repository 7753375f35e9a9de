//! How well a cache serves.

/// Look-ups in a cache, counted by its only user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Those that it answered.
    pub hits: u64,
    /// Those that it could not answer.
    pub misses: u64,
    /// Entries that it dropped to make room.
    pub evictions: u64,
}

impl Lookups {
    /// Counts one.
    pub fn count(&mut self, hit: bool) {
        if hit {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
    }
}
