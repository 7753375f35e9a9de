//! What the parts count, for the metrics page.

use std::sync::Arc;

use crate::{
    capture::{KernelCounts, Programs, RingFill},
    enrich::Counters,
    telemetry::{Exposition, Telemetry, catalog},
};

/// Parts that count for themselves.
pub(super) struct Sources {
    /// What became of events in the kernel.
    pub(super) kernel: Arc<KernelCounts>,
    /// How full the ring buffer is.
    pub(super) fill: RingFill,
    /// What the kernel counts of the programs.
    pub(super) programs: Programs,
    /// What the metadata tasks count.
    pub(super) enrichment: Arc<Counters>,
}

/// Tells the telemetry where these are.
pub(super) fn connect(telemetry: &Telemetry, sources: Sources) {
    let Sources {
        kernel,
        fill,
        programs,
        enrichment,
    } = sources;
    // A map that could be read at the start can be read now.
    telemetry.set_kernel(Box::new(move || kernel.read().unwrap_or_default().raw()));
    telemetry.collect(Box::new(move |out| {
        for (name, _, value) in enrichment.each() {
            out.add(&catalog::ENRICHMENT, &[name], value);
        }
    }));
    telemetry.collect(Box::new(move |out| {
        out.add(&catalog::RING_SIZE, &[], fill.size());
        if let Some(unread) = fill.unread() {
            out.add(&catalog::RING_FILL, &[], unread);
        }
        expose(&programs, out);
    }));
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ns are a hundred days")]
fn expose(programs: &Programs, out: &mut Exposition) {
    for figures in programs.read() {
        let program = [figures.program];
        if let Some(skipped) = figures.skipped {
            out.add(&catalog::RECURSION_MISSES, &program, skipped);
        }
        if figures.runs > 0 {
            let seconds = figures.nanoseconds as f64 / 1e9;
            out.add(&catalog::BPF_RUNS, &program, figures.runs);
            out.add(&catalog::BPF_RUN_TIME, &program, seconds);
        }
    }
}
