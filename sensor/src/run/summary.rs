//! What is said at the end: what happened to every event.

use std::fmt::Write as _;

use sensor_ebpf::{Counter, Kind};

use crate::{agent::Snapshot, capture::ProgramFigures, output::Counts};

/// The last words, for standard error: how many events were seen, and what
/// became of each.
pub(super) fn text(snapshot: &Snapshot, outputs: &[(&'static str, Counts)]) -> String {
    let mut out = String::new();
    for kind in Kind::ALL {
        let _ = write!(out, "kernel {}:", kind.name());
        for counter in Counter::ALL {
            let _ = write!(
                out,
                " {}={}",
                label(counter),
                snapshot.kernel.get(kind, counter)
            );
        }
        out.push('\n');
    }
    let counts = snapshot.pipeline;
    let _ = writeln!(
        out,
        "events: received={} undecodable={} filtered={} unmatched={} matched={} held={} lines={}",
        counts.received,
        counts.undecodable,
        counts.filtered,
        counts.unmatched,
        counts.matched,
        snapshot.held,
        counts.lines,
    );
    let _ = writeln!(
        out,
        "hold: released={} median_us={} max_us={}",
        snapshot.hold.released,
        snapshot.hold.median / 1000,
        snapshot.hold.max / 1000,
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

/// Runs of programs that the kernel skipped, if there are any: these events are
/// not among those seen.
pub(super) fn skipped(programs: &[ProgramFigures]) -> String {
    let mut out = String::new();
    for figures in programs {
        if let Some(skipped @ 1..) = figures.skipped {
            let _ = writeln!(out, "skipped by the kernel: {}={skipped}", figures.program);
        }
    }
    out
}

/// Name of a counter in summaries and metrics.
fn label(counter: Counter) -> &'static str {
    match counter {
        Counter::Seen => "seen",
        Counter::Written => "written",
        Counter::FilteredHost => "filtered_host",
        Counter::FilteredTree => "filtered_tree",
        Counter::FilteredOther => "filtered_other",
        Counter::RingFull => "ring_full",
        Counter::NoScratch => "no_scratch",
        Counter::Truncated => "truncated",
        Counter::Unreadable => "unreadable",
        Counter::PathIncomplete => "path_incomplete",
        Counter::Throttled => "throttled",
    }
}
