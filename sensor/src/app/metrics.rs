//! Connects the counters of the sensor's parts with the metrics.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use events::ReleaseCounts;
use falco_rules::{Priority, Source as _};
use metadata::Counters;
use serde_json::Value;
use telemetry::{Exposition, Ledger, Meaning, Telemetry, catalog};

use crate::{
    logging,
    sources::syscall::{
        PendingFigures,
        capture::{KernelCounts, Programs, RingFill},
        fields::Syscall,
        self_test::Marker,
    },
};

/// The parts of the sensor that count something.
pub(super) struct Sources {
    /// Counts what becomes of events.
    pub(super) ledger: Arc<Ledger>,
    /// The counters of the kernel side.
    pub(super) kernel: Arc<KernelCounts>,
    /// How full the ring buffer is.
    pub(super) fill: RingFill,
    /// The kernel's own counters of the eBPF programs.
    pub(super) programs: Programs,
    /// The counters of the metadata tasks.
    pub(super) enrichment: Arc<Counters>,
    /// Counts how events left the hold.
    pub(super) releases: Arc<ReleaseCounts>,
    /// Counts the results of the self-tests.
    pub(super) marker: Arc<Marker>,
}

/// Gives the telemetry access to the counters.
pub(super) fn connect(telemetry: &Telemetry, sources: Sources) {
    let Sources {
        ledger,
        kernel,
        fill,
        programs,
        enrichment,
        releases,
        marker,
    } = sources;
    {
        let kernel = Arc::clone(&kernel);
        ledger.set_counts(Box::new(move || kernel.read()));
    }
    telemetry.add_source(ledger);
    {
        let programs = programs.clone();
        telemetry.describe(Box::new(move |config, fields| {
            if config.kernel_event_counters_per_cpu_enabled {
                for (cpu, counts) in kernel.read_by_cpu().enumerate() {
                    let sum = |meaning| -> u64 {
                        let counts = counts.iter().flatten();
                        let same = counts.filter(|count| count.meaning == meaning);
                        same.map(|count| count.events).sum()
                    };
                    let (seen, lost) = (sum(Meaning::Seen), sum(Meaning::Lost));
                    fields.insert(format!("scap.n_evts_cpu_{cpu}"), seen.into());
                    fields.insert(format!("scap.n_drops_cpu_{cpu}"), lost.into());
                }
            }
            if config.libbpf_stats_enabled {
                describe(&programs, fields);
            }
        }));
    }
    telemetry.collect(Box::new(move |out| {
        for (name, _, value) in enrichment.each() {
            out.add(&catalog::ENRICHMENT, &[name], value);
        }
        for (outcome, count) in releases.each() {
            out.add(&catalog::HOLD_RELEASED, &[outcome], count);
        }
    }));
    telemetry.collect(Box::new(move |out| {
        out.add(&catalog::FALCO_ENGINE, &["modern_bpf", Syscall::NAME], 1);
        out.add(&catalog::RING_SIZE, &[], fill.size());
        if let Some(unread) = fill.unread() {
            out.add(&catalog::RING_FILL, &[], unread);
        }
        expose(&programs, out);
    }));
    telemetry.collect(Box::new(|out| {
        for priority in Priority::ALL {
            let lines = logging::lines(priority);
            if lines > 0 {
                out.add(&catalog::LOG_LINES, &[priority.as_str()], lines);
            }
        }
    }));
    telemetry.collect(Box::new(move |out| {
        for (outcome, count) in [("passed", &marker.passed), ("failed", &marker.failed)] {
            out.add(&catalog::SELF_TESTS, &[outcome], count.load(Relaxed));
        }
    }));
}

/// The names of the broken rules files, to which the telemetry has access.
pub(super) fn broken_rules(telemetry: &Telemetry) -> Arc<Mutex<Vec<Box<str>>>> {
    let broken = Arc::<Mutex<Vec<Box<str>>>>::default();
    let files = Arc::clone(&broken);
    telemetry.collect(Box::new(move |out| {
        let files = files.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files.iter() {
            out.add(&catalog::RULES_BROKEN, &[file], 1);
        }
    }));
    broken
}

/// Gives the telemetry access to the figures of the capture thread: the events in the hold.
pub(super) fn figures(
    telemetry: &Telemetry,
    figures: impl Fn() -> PendingFigures + Send + Sync + 'static,
) {
    let seconds = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64();
    telemetry.collect(Box::new(move |out| {
        let figures = figures();
        out.add(&catalog::HOLD_EVENTS, &[], figures.events as u64);
        out.add(&catalog::HOLD_BYTES, &[], figures.bytes as u64);
        out.add(
            &catalog::HOLD_MEDIAN,
            &[],
            seconds(figures.statistics.median),
        );
        out.add(&catalog::HOLD_MAX, &[], seconds(figures.statistics.max));
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

/// Adds the programs' run times under Falco's names, if the kernel measures run times.
fn describe(programs: &Programs, fields: &mut BTreeMap<String, Value>) {
    for figures in programs.read() {
        let (program, runs) = (figures.program, figures.runs);
        let Some(average) = figures.nanoseconds.checked_div(runs) else {
            continue;
        };
        for (what, value) in [
            ("run_cnt", runs),
            ("run_time_ns", figures.nanoseconds),
            ("avg_time_ns", average),
        ] {
            fields.insert(format!("scap.{program}.{what}"), value.into());
        }
    }
}
