//! What the parts count, for the metrics page.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use crate::{
    capture::KernelCounts,
    enrich::Counters,
    self_test::Marker,
    telemetry::{Telemetry, catalog},
};

/// Tells the telemetry where the counters of the kernel side, of enrichment and of the self-test are.
pub(super) fn connect(
    telemetry: &Telemetry,
    kernel: &Arc<KernelCounts>,
    enrichment: &Arc<Counters>,
    marker: &Arc<Marker>,
) {
    let kernel = Arc::clone(kernel);
    telemetry.set_kernel(Box::new(move || kernel.read().raw()));
    let enrichment = Arc::clone(enrichment);
    telemetry.collect(Box::new(move |out| {
        for (name, _, value) in enrichment.each() {
            out.add(&catalog::ENRICHMENT, &[name], value);
        }
    }));
    let marker = Arc::clone(marker);
    telemetry.collect(Box::new(move |out| {
        for (outcome, count) in [("passed", &marker.passed), ("failed", &marker.failed)] {
            out.add(&catalog::SELF_TESTS, &[outcome], count.load(Relaxed));
        }
    }));
}
