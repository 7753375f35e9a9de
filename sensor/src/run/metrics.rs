//! What the parts count, for the metrics page.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use crate::{
    agent::Snapshot,
    capture::KernelCounts,
    enrich::Counters,
    telemetry::{Telemetry, catalog},
};

/// Tells the telemetry where the counters of the kernel side and of enrichment are.
pub(super) fn connect(
    telemetry: &Telemetry,
    kernel: &Arc<KernelCounts>,
    enrichment: &Arc<Counters>,
) {
    let kernel = Arc::clone(kernel);
    // A map that could be read at the start can be read now.
    telemetry.set_kernel(Box::new(move || kernel.read().unwrap_or_default().raw()));
    let enrichment = Arc::clone(enrichment);
    telemetry.collect(Box::new(move |out| {
        for (name, _, value) in enrichment.each() {
            out.add(&catalog::ENRICHMENT, &[name], value);
        }
        let released = [
            ("resolved", &enrichment.hold_resolved_total),
            ("timeout", &enrichment.hold_timeout_total),
            ("overflow", &enrichment.hold_overflow_total),
        ];
        for (outcome, count) in released {
            out.add(&catalog::HOLD_RELEASED, &[outcome], count.load(Relaxed));
        }
    }));
}

/// Tells the telemetry where the figures of the capture thread are: what waits, and
/// how full the caches are.
pub(super) fn figures(
    telemetry: &Telemetry,
    figures: impl Fn() -> Snapshot + Send + Sync + 'static,
) {
    let seconds = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64();
    telemetry.collect(Box::new(move |out| {
        let figures = figures();
        out.add(&catalog::HOLD_EVENTS, &[], figures.held as u64);
        out.add(&catalog::HOLD_BYTES, &[], figures.held_bytes as u64);
        out.add(&catalog::HOLD_MEDIAN, &[], seconds(figures.hold.median));
        out.add(&catalog::HOLD_MAX, &[], seconds(figures.hold.max));
        let caches = [
            ("containers", figures.caches.containers),
            ("pods", figures.caches.pods),
            ("programs", figures.caches.programs),
            ("users", figures.caches.users),
            ("cgroups", figures.caches.cgroups),
        ];
        for (cache, entries) in caches {
            out.add(&catalog::CACHE_ENTRIES, &[cache], entries as u64);
        }
    }));
}
