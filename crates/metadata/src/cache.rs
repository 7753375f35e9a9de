//! The one kind of bounded cache: what was used longest ago makes room.

use std::{borrow::Borrow, hash::Hash};

use hashlink::{LinkedHashMap, linked_hash_map::Entry};
use rustc_hash::FxBuildHasher;
use telemetry::Lookups;

/// Values by key, at most so many: a new one takes the place of the least recently used.
///
/// Whoever floods a cache with new keys pushes out only what nobody has used since that many
/// new keys ago. Removed entries keep their memory for later ones: in a full cache an insertion
/// allocates nothing.
#[derive(Debug)]
pub struct BoundedCache<K, V> {
    /// Least recently used first.
    entries: LinkedHashMap<K, V, FxBuildHasher>,
    most: usize,
    lookups: Lookups,
}

impl<K: Eq + Hash, V> BoundedCache<K, V> {
    /// An empty cache for at most so many entries (at least one).
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            entries: LinkedHashMap::with_hasher(FxBuildHasher),
            most: most.max(1),
            lookups: Lookups::default(),
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a new key would push out an entry.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.most
    }

    /// How often it could answer, how often not, and how many entries made room.
    #[must_use]
    pub fn lookups(&self) -> Lookups {
        self.lookups
    }

    /// Looks a value up: counts the look-up, and the value is the most recently used one.
    pub fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let found = self.entries.to_back(key);
        self.lookups.count(found.is_some());
        found
    }

    /// Makes a value the most recently used one, where not every value is an answer: the caller
    /// knows whether this one is, and says so by [`Self::count`].
    pub fn touch<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.to_back(key)
    }

    /// Makes a value the most recently used one, and inserts it if there is none.
    pub fn touch_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if self.is_full() && !self.entries.contains_key(&key) {
            self.evict();
        }
        match self.entries.entry(key) {
            Entry::Occupied(mut entry) => {
                entry.to_back();
                entry.into_mut()
            }
            Entry::Vacant(entry) => entry.insert(make()),
        }
    }

    /// Counts a look-up, and whether it was answered.
    pub fn count(&mut self, hit: bool) {
        self.lookups.count(hit);
    }

    /// A value, without using it.
    #[must_use]
    pub fn peek<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.get(key)
    }

    /// A value to be changed, without using it.
    pub fn peek_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.get_mut(key)
    }

    /// Inserts the most recently used entry. Gives the value that left for it: the former one of
    /// the key, or that of the least recently used entry of a full cache.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.is_full() && !self.entries.contains_key(&key) {
            let left = self.evict();
            self.entries.insert(key, value);
            return left;
        }
        self.entries.insert(key, value)
    }

    /// Drops the least recently used entry; its value.
    pub fn evict(&mut self) -> Option<V> {
        let (_, value) = self.entries.pop_front()?;
        self.lookups.evictions += 1;
        Some(value)
    }

    /// Drops at most so many entries that `may_go`, those used longest ago first; how many.
    pub fn evict_where(
        &mut self,
        most: usize,
        mut may_go: impl FnMut(&K, &mut V) -> bool,
    ) -> usize {
        let mut left = most;
        self.entries.retain_with_order(|key, value| {
            let goes = left > 0 && may_go(key, value);
            left -= usize::from(goes);
            !goes
        });
        let gone = most - left;
        self.lookups.evictions += gone as u64;
        gone
    }

    /// Removes what is over by itself: not counted as evicted.
    pub fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain(keep);
    }

    /// Removes an entry that is over; its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.remove(key)
    }

    /// Keys and values, the least recently used first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// Values to be changed, the least recently used first.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }

    /// Gives memory back, if there is some for more than four times as many entries.
    pub fn shrink(&mut self) {
        if self.entries.capacity() > 4 * self.len() + 128 {
            self.entries.shrink_to_fit();
        }
    }

    /// For how many entries there is memory.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.entries.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(most: u32) -> BoundedCache<u32, u32> {
        let mut cache = BoundedCache::new(most as usize);
        for n in 0..most {
            assert_eq!(cache.insert(n, n), None);
        }
        cache
    }

    #[test]
    fn a_new_key_takes_the_place_of_the_least_recently_used() {
        let mut cache = full(3);
        assert_eq!(cache.get(&0), Some(&mut 0));
        assert_eq!(cache.insert(3, 3), Some(1));
        let keys: Vec<_> = cache.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, [2, 0, 3]);
    }

    #[test]
    fn a_flood_of_new_keys_leaves_those_in_use() {
        let mut cache = full(100);
        for n in 100..100_000 {
            if n % 50 == 0 {
                for used in 0..10 {
                    assert!(cache.get(&used).is_some(), "{used} after {n}");
                }
            }
            cache.insert(n, n);
        }
        assert_eq!(cache.len(), 100);
        assert_eq!(cache.lookups().evictions, 99_900);
    }

    #[test]
    fn another_value_of_a_key_pushes_nobody_out() {
        let mut cache = full(3);
        assert_eq!(cache.insert(1, 7), Some(1));
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.lookups().evictions, 0);
    }

    #[test]
    fn hits_and_misses_are_counted_and_a_peek_is_no_use() {
        let mut cache = full(2);
        assert!(cache.get(&1).is_some() && cache.get(&2).is_none());
        assert_eq!(cache.peek(&0), Some(&0));
        assert_eq!(cache.insert(2, 2), Some(0), "it was not used");
        let lookups = Lookups {
            hits: 1,
            misses: 1,
            evictions: 1,
        };
        assert_eq!(cache.lookups(), lookups);
    }

    #[test]
    fn entries_that_may_leave_do_so_in_the_order_of_their_last_use() {
        let mut cache = full(6);
        cache.get(&0);
        assert_eq!(cache.evict_where(2, |_, value| *value % 2 == 0), 2);
        let keys: Vec<_> = cache.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, [1, 3, 5, 0]);
        assert_eq!(cache.lookups().evictions, 2);
    }

    #[test]
    fn memory_for_many_entries_is_given_back_when_few_are_left() {
        let mut cache = full(10_000);
        cache.retain(|key, _| *key < 10);
        cache.shrink();
        assert!(cache.room() < 128, "{}", cache.room());
        assert_eq!(cache.len(), 10);
    }
}
