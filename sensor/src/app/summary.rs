//! The summary at the end: what became of every event.

use std::fmt::Write as _;

use outputs::Counts;
use telemetry::{KindTotals, Meaning, SourceTotals};

use crate::sources::syscall::{PendingFigures, capture::ProgramFigures};

/// The summary for standard error: how many events the sensor saw, and what became of each.
pub(super) fn text(
    totals: &SourceTotals,
    waiting: &PendingFigures,
    outputs: &[(&'static str, Counts)],
) -> String {
    let mut out = String::new();
    for kind in &totals.kinds {
        let _ = write!(out, "kernel {}:", kind.kind.name);
        for count in &kind.counts {
            // The lines below have the losses in user space.
            if count.name != "undecodable" {
                let prefix = if count.meaning == Meaning::Filtered {
                    "filtered_"
                } else {
                    ""
                };
                let _ = write!(out, " {prefix}{}={}", count.name, count.events);
            }
        }
        out.push('\n');
    }
    let sum = |of: fn(&KindTotals) -> u64| totals.sum(of);
    let _ = writeln!(
        out,
        "events: received={} undecodable={} filtered={} unmatched={} matched={} held={} lines={}",
        sum(|kind| kind.received),
        sum(|kind| kind.named(Meaning::Lost, "undecodable")),
        sum(|kind| kind.passed_over),
        sum(|kind| kind.unmatched),
        sum(|kind| kind.matched),
        waiting.events,
        sum(|kind| kind.lines),
    );
    let _ = writeln!(
        out,
        "hold: released={} median_us={} max_us={}",
        waiting.statistics.released,
        waiting.statistics.median / 1000,
        waiting.statistics.max / 1000,
    );
    for (name, counts) in outputs {
        let _ = writeln!(
            out,
            "output {name}: offered={} written={} spooled={} dropped={}",
            counts.offered,
            counts.written,
            counts.spooled,
            counts.dropped_total(),
        );
    }
    out
}

/// Runs of programs that the kernel skipped, if there are any: the sensor has not seen the events
/// of these runs.
pub(super) fn skipped(programs: &[ProgramFigures]) -> String {
    let mut out = String::new();
    for figures in programs {
        if let Some(skipped @ 1..) = figures.skipped {
            let _ = writeln!(out, "skipped by the kernel: {}={skipped}", figures.program);
        }
    }
    out
}
