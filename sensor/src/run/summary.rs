//! What is said at the end: what happened to every event.

use std::fmt::Write as _;

use sensor_ebpf::{Counter, Kind};

use crate::{agent::Snapshot, output::Counts};

/// The last words, for standard error: how many events were seen, and what
/// became of each.
pub(super) fn text(snapshot: &Snapshot, outputs: &[(&'static str, Counts)]) -> String {
    let mut out = String::new();
    let kinds = [
        (Kind::Exec, "exec"),
        (Kind::ExecFailed, "exec_failed"),
        (Kind::Connect, "connect"),
    ];
    for (kind, name) in kinds {
        let _ = write!(out, "kernel {name}:");
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
    if !snapshot.misses.is_empty() {
        out.push_str("skipped by the kernel:");
        for (program, count) in &snapshot.misses {
            let _ = write!(out, " {program}={count}");
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
    }
}
