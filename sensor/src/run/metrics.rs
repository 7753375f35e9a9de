//! What the parts count, for the metrics page.

use std::sync::Arc;

use crate::{
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
    }));
}
