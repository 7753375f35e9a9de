//! Figures of the caches on the event path.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Exposition, Lookups, catalog as c};

/// A cache of the event path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// The class and the container of each cgroup.
    Cgroups,
    /// Containers, as the runtime describes them.
    Containers,
    /// Pods.
    Pods,
    /// The programs of processes.
    Programs,
    /// Users and groups of containers.
    Users,
}

impl Cache {
    /// All caches, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Cgroups,
        Self::Containers,
        Self::Pods,
        Self::Programs,
        Self::Users,
    ];

    /// Name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cgroups => "cgroups",
            Self::Containers => "containers",
            Self::Pods => "pods",
            Self::Programs => "programs",
            Self::Users => "users",
        }
    }
}

/// Entries, look-ups and evictions of each cache. The thread that owns the caches reports them
/// about once a second, so the event path needs no atomic operations.
#[derive(Debug, Default)]
pub struct Caches([[AtomicU64; 4]; Cache::ALL.len()]);

impl Caches {
    /// Reports the figures of a cache.
    pub fn report(&self, cache: Cache, entries: usize, lookups: Lookups) {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        let Lookups {
            hits,
            misses,
            evictions,
        } = lookups;
        let values = [entries, hits, misses, evictions];
        for (place, value) in self.0[cache as usize].iter().zip(values) {
            place.store(value, Relaxed);
        }
    }

    /// The number of entries in a cache.
    #[must_use]
    pub fn entries(&self, cache: Cache) -> u64 {
        self.0[cache as usize][0].load(Relaxed)
    }

    /// Adds the metrics. Pods are found through containers, so they have no look-ups of their own.
    pub(super) fn expose(&self, out: &mut Exposition) {
        for cache in Cache::ALL {
            let [entries, hits, misses, evictions] = &self.0[cache as usize];
            out.add(&c::CACHE_ENTRIES, &[cache.name()], entries.load(Relaxed));
            out.add(
                &c::CACHE_EVICTIONS,
                &[cache.name()],
                evictions.load(Relaxed),
            );
            if cache != Cache::Pods {
                out.add(&c::CACHE_HITS, &[cache.name()], hits.load(Relaxed));
                out.add(&c::CACHE_MISSES, &[cache.name()], misses.load(Relaxed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cache_dropped_to_make_room_is_exposed() {
        let caches = Caches::default();
        let lookups = Lookups {
            hits: 5,
            misses: 6,
            evictions: 7,
        };
        caches.report(Cache::Cgroups, 4, lookups);
        let mut out = Exposition::default();
        caches.expose(&mut out);
        let page = out.render();
        for (name, value) in [
            ("entries", 4),
            ("hits_total", 5),
            ("misses_total", 6),
            ("evictions_total", 7),
        ] {
            let line = format!("sensor_cache_{name}{{cache=\"cgroups\"}} {value}\n");
            assert!(page.contains(&line), "{line}{page}");
        }
    }
}
