//! Counts of everything that is lost or degraded between an event and its metadata.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of enrichment, shared by its tasks and the capture thread.
        ///
        /// Readers use each sum alone, never an order between sums: all accesses are relaxed.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        impl Counters {
            /// Name, meaning and value of each.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), concat!($($doc),+), self.$name.load(Ordering::Relaxed)),)+]
                    .map(|(name, doc, value)| (name, doc.trim_ascii(), value))
                    .into_iter()
            }
        }
    };
}

counters! {
    /// Connections made to container runtimes.
    runtime_connects_total,
    /// Attempts to connect to a runtime that failed although the socket exists.
    runtime_connect_failures_total,
    /// Connections to runtimes that ended.
    runtime_disconnects_total,
    /// Events of runtimes received.
    runtime_events_total,
    /// Containers that the sensor asked runtimes for because an event named them.
    runtime_lookups_total,
    /// Questions to runtimes that failed (a container that a runtime does not know is no failure).
    runtime_lookup_failures_total,
    /// Containers that no runtime knows.
    runtime_missing_total,
    /// Questions that found the queue to a runtime's task full (they are asked again).
    runtime_queue_full_total,
    /// Descriptions of containers with a part that could not be read: null in its fields.
    runtime_invalid_total,
    /// Labels, mounts and annotations left out because one object had too many.
    metadata_trimmed_total,
    /// Events whose container's name is that of two containers in different namespaces.
    containers_ambiguous_total,
    /// Lists of pods made.
    kube_lists_total,
    /// Watches of pods begun.
    kube_watches_total,
    /// Objects received from the API server.
    kube_objects_total,
    /// Objects of the API server that could not be read.
    kube_invalid_total,
    /// Watches whose resource version had expired (410).
    kube_expired_total,
    /// Requests refused because of the token (401).
    kube_unauthorized_total,
    /// Requests refused because of missing rights (403).
    kube_forbidden_total,
    /// Requests refused because of too many of them (429).
    kube_throttled_total,
    /// Requests without an answer in time, and watches given up because nothing came for too long.
    kube_idle_total,
    /// Requests to the API server that failed in another way.
    kube_failures_total,
    /// Pods dropped from the full cache.
    pods_evicted_total,
    /// Files of users or groups read.
    users_reads_total,
    /// Files of users or groups that could not be reached or are no regular files.
    users_refused_total,
    /// Files of users or groups of which only the beginning was read.
    users_oversized_total,
    /// Files of users or groups that were not read in time.
    users_stalled_total,
    /// Look-ups of domain names that gave addresses.
    domains_resolved_total,
    /// Look-ups of domain names that gave no address.
    domains_unresolved_total,
    /// Programs of running processes that the sensor read in `/proc`, because it had seen no exec
    /// of them.
    programs_read_total,
    /// Programs that `/proc` had no longer, because their processes had ended.
    programs_gone_total,
    /// Programs that the sensor did not look for: too many in one second, or the answer was late.
    programs_deferred_total,
}

/// Adds one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Adds many.
pub(crate) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}
