//! The summary at the end: what became of every event and of every line.

use std::fmt::Write as _;

use outputs::Counts;
use telemetry::{KindTotals, Meaning, SourceTotals, Telemetry};

use crate::{
    reports,
    sources::syscall::{PendingFigures, capture::ProgramFigures},
};

/// The counts at the end.
pub(super) struct Summary<'a> {
    /// Matches of each rule.
    pub(super) telemetry: &'a Telemetry,
    /// Counts of events.
    pub(super) totals: SourceTotals,
    /// Events that still wait for their container.
    pub(super) waiting: PendingFigures,
    /// Counts of lines, by output.
    pub(super) outputs: Vec<(&'static str, Counts)>,
    /// What the kernel says of the eBPF programs.
    pub(super) programs: Vec<ProgramFigures>,
    /// Seconds with losses, and how often the sensor acted on them.
    pub(super) drops: (u64, u64),
}

impl Summary<'_> {
    /// The summary for somebody at a terminal: what happened, and nothing that did not.
    pub(super) fn for_people(&self) -> String {
        let mut out = reports::summary(self.telemetry);
        if self.totals.sum(|kind| kind.lines) == 0 {
            // No alert: the headings of the lists would stand alone.
            out.truncate(out.find('\n').map_or(0, |end| end + 1));
        }
        for kind in self.totals.kinds.iter().filter(|kind| kind.seen() > 0) {
            let _ = writeln!(
                out,
                "{}: {} seen = {} filtered + {} unmatched + {} matched + {} lost",
                kind.kind.name,
                kind.seen(),
                kind.filtered(),
                kind.unmatched,
                kind.matched,
                kind.lost(),
            );
        }
        for (name, counts) in &self.outputs {
            let _ = writeln!(
                out,
                "{name}: {} lines = {} written + {} spooled + {} dropped",
                counts.offered,
                counts.written,
                counts.spooled,
                counts.dropped_total(),
            );
        }
        out + &reports::rule_costs(self.telemetry) + &self.skipped()
    }

    /// The summary for programs: Falco's lines on losses, and the sensor's exact counts as
    /// `SUBJECT: name=number …`.
    pub(super) fn for_programs(&self) -> String {
        let (occurrences, actions) = self.drops;
        let mut out = format!(
            "Syscall event drop monitoring:\n   - event drop detected: {occurrences} occurrences\n   - num times actions taken: {actions}\n"
        );
        for kind in &self.totals.kinds {
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
        let sum = |of: fn(&KindTotals) -> u64| self.totals.sum(of);
        let _ = writeln!(
            out,
            "events: received={} undecodable={} filtered={} unmatched={} matched={} held={} lines={}",
            sum(|kind| kind.received),
            sum(|kind| kind.named(Meaning::Lost, "undecodable")),
            sum(|kind| kind.passed_over),
            sum(|kind| kind.unmatched),
            sum(|kind| kind.matched),
            self.waiting.events,
            sum(|kind| kind.lines),
        );
        let statistics = &self.waiting.statistics;
        let _ = writeln!(
            out,
            "hold: released={} median_us={} max_us={}",
            statistics.released,
            statistics.median / 1000,
            statistics.max / 1000,
        );
        for (name, counts) in &self.outputs {
            let _ = writeln!(
                out,
                "output {name}: offered={} written={} spooled={} dropped={}",
                counts.offered,
                counts.written,
                counts.spooled,
                counts.dropped_total(),
            );
        }
        out + &reports::rule_costs(self.telemetry) + &self.skipped()
    }

    /// Runs of programs that the kernel skipped, if there are any: the sensor has not seen the
    /// events of these runs.
    fn skipped(&self) -> String {
        let mut out = String::new();
        for figures in &self.programs {
            if let Some(skipped @ 1..) = figures.skipped {
                let _ = writeln!(out, "skipped by the kernel: {}={skipped}", figures.program);
            }
        }
        out
    }
}
