//! The bounded cache that every part uses: the least recently used entry makes room for a new one.

use std::{borrow::Borrow, hash::Hash};

use hashlink::{LinkedHashMap, linked_hash_map::Entry};
use rustc_hash::FxBuildHasher;
use telemetry::Lookups;

/// Values by key, up to a fixed number: a new key takes the place of the least recently used one.
///
/// A flood of new keys pushes an entry out only after as many new keys as the cache has entries, if
/// nobody used the entry in that time. The memory of removed entries stays for later ones, so an
/// insertion into a full cache allocates nothing.
#[derive(Debug)]
pub struct BoundedCache<K, V> {
    /// The entries, the least recently used one first.
    entries: LinkedHashMap<K, V, FxBuildHasher>,
    most: usize,
    lookups: Lookups,
}

impl<K: Clone + Eq + Hash, V: Clone> Clone for BoundedCache<K, V> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            ..*self
        }
    }
}

impl<K: Eq + Hash, V> BoundedCache<K, V> {
    /// An empty cache for at most that many entries (at least one).
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

    /// Whether the cache is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a new key would push out an entry.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.most
    }

    /// The number of look-ups with and without an answer, and of entries that made room.
    #[must_use]
    pub fn lookups(&self) -> Lookups {
        self.lookups
    }

    /// Looks a value up: counts the look-up, and makes the value the most recently used one.
    pub fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let found = self.entries.to_back(key);
        self.lookups.count(found.is_some());
        found
    }

    /// Makes a value the most recently used one without counting a look-up. The caller knows
    /// whether the value is an answer, and calls [`Self::count`].
    pub fn touch<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.to_back(key)
    }

    /// Makes a value the most recently used one, and inserts the value if the key has none.
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

    /// Counts a look-up, and whether the cache had the answer.
    pub fn count(&mut self, hit: bool) {
        self.lookups.count(hit);
    }

    /// A value; this does not count as a use.
    #[must_use]
    pub fn peek<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.get(key)
    }

    /// A value to be changed; this does not count as a use.
    pub fn peek_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.get_mut(key)
    }

    /// Inserts an entry as the most recently used one. Returns the value that the new one replaced:
    /// the former value of the key, or in a full cache the value of the least recently used entry.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.is_full() && !self.entries.contains_key(&key) {
            let left = self.evict();
            self.entries.insert(key, value);
            return left;
        }
        self.entries.insert(key, value)
    }

    /// Drops the least recently used entry and returns its value.
    pub fn evict(&mut self) -> Option<V> {
        let (_, value) = self.entries.pop_front()?;
        self.lookups.evictions += 1;
        Some(value)
    }

    /// Drops up to that many entries for which `may_go` is true, the least recently used ones
    /// first; returns how many.
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

    /// Removes entries that have ended by themselves; this does not count as an eviction.
    pub fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain(keep);
    }

    /// Removes an entry that has ended by itself, and returns its value.
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

    /// Gives memory back to the allocator, if there is room for more than four times the entries.
    pub fn shrink(&mut self) {
        if self.entries.capacity() > 4 * self.len() + 128 {
            self.entries.shrink_to_fit();
        }
    }

    /// The number of entries for which the cache has memory.
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
