//! The gap before a run: from the last moment up to which the former run wrote each event, until all
//! hooks of this run are attached.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use events::SKEW;
use falco_rules::Priority;
use metadata::boot_now;
use outputs::{
    Account, Control,
    internal::{Record, nanoseconds, utc},
};
use serde::{Deserialize, Serialize};
use telemetry::{KindTotals, Ledger, SourceTotals};
use tracing::warn;

use crate::lifecycle::{StateError, StateFolder};

/// Name of the record of a gap.
const RULE: &str = "Sensor internal: gap";
/// Name of the file in the state folder.
const NAME: &str = "run";

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Moment {
    /// Nanoseconds since boot.
    boot: u64,
    /// Nanoseconds since the epoch.
    utc: u64,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            boot: boot_now(),
            utc: nanoseconds(SystemTime::now()),
        }
    }

    /// The moment of that time since boot, in nanoseconds; a time to come is possible.
    pub(super) fn of(boot: u64) -> Self {
        let now = Self::now();
        Self {
            boot,
            utc: (now.utc + boot).saturating_sub(now.boot),
        }
    }

    /// Nanoseconds since the epoch.
    pub(super) fn utc(self) -> u64 {
        self.utc
    }

    pub(super) fn text(self) -> String {
        utc(UNIX_EPOCH + Duration::from_nanos(self.utc))
    }
}

/// What a run leaves of itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Run {
    /// The kernel's id of the boot.
    boot_id: String,
    /// Each event before this moment is written, or counted as lost.
    complete_until: Moment,
    /// When the run was alive, at least.
    alive: Moment,
    /// Whether the run has stopped, and has written what it saw.
    stopped: bool,
}

/// What the former run has left; none if there is none, or no state folder.
pub(super) fn former(state: Option<&StateFolder>) -> Option<Run> {
    match state?.read(NAME) {
        Ok(run) => run,
        Err(error) => {
            warn!("the former run is not known: {error}");
            None
        }
    }
}

/// The record of a gap that this run has left: a sensor that was to take over has ended.
pub(super) fn left(from: Moment, until: Moment) -> Record {
    let seconds = Duration::from_nanos(until.boot.saturating_sub(from.boot)).as_secs_f64();
    let how = "the sensor that was to take over has ended";
    let message = format!(
        "{RULE}. Events between {} and {} ({seconds:.3} s) can be missing: {how}.",
        from.text(),
        until.text()
    );
    Record::new(RULE, Priority::Notice, message)
        .field("sensor.gap.from", from.utc)
        .field("sensor.gap.seconds", seconds)
        .field("sensor.gap.until", until.utc)
}

impl Run {
    /// The record of the gap between this former run and a sensor that has taken over; `doubled`
    /// says whether events can be there twice near the moment.
    pub(super) fn gap_at_takeover(&self, boot_id: &str, at: Moment, doubled: bool) -> Record {
        let mut record = self.gap(boot_id, at);
        if doubled {
            let (from, until) = (Moment::of(at.boot - SKEW), Moment::of(at.boot + SKEW));
            record.message = format!(
                "{} Events between {} and {} can be there twice.",
                record.message,
                from.text(),
                until.text()
            );
            record = record
                .field("sensor.gap.twice_from", from.utc)
                .field("sensor.gap.twice_until", until.utc);
        }
        record
    }

    /// The record of the gap between this former run and the moment from which on a run sees events.
    pub(super) fn gap(&self, boot_id: &str, attached: Moment) -> Record {
        let (from, until) = (self.complete_until, attached);
        // The kernel's clock does not jump, and begins anew with each boot.
        let length = if self.boot_id == boot_id {
            until.boot.saturating_sub(from.boot)
        } else {
            until.utc.saturating_sub(from.utc)
        };
        let seconds = Duration::from_nanos(length).as_secs_f64();
        let how = if self.stopped {
            "the former run stopped".to_owned()
        } else {
            format!(
                "the former run ended without a stop, and not before {}",
                self.alive.text()
            )
        };
        let message = format!(
            "{RULE}. Events between {} and {} ({seconds:.3} s) can be missing: {how}.",
            from.text(),
            until.text()
        );
        Record::new(RULE, Priority::Notice, message)
            .field("sensor.gap.alive", self.alive.utc)
            .field("sensor.gap.from", from.utc)
            .field("sensor.gap.seconds", seconds)
            .field("sensor.gap.stopped", self.stopped)
            .field("sensor.gap.until", until.utc)
    }
}

/// A moment, and what must have happened until each event before it is done.
#[derive(Debug)]
struct Mark {
    at: Moment,
    /// Events of each kind that the kernel side had seen.
    seen: Vec<u64>,
    /// Whether all these events were evaluated at an earlier look.
    evaluated: bool,
    /// Lines that each output had been offered afterwards.
    offered: Option<Vec<(Arc<Account>, u64)>>,
}

impl Mark {
    /// `totals` must be counts from after that moment.
    fn new(at: Moment, totals: &SourceTotals) -> Self {
        Self {
            at,
            seen: totals.kinds.iter().map(KindTotals::seen).collect(),
            evaluated: false,
            offered: None,
        }
    }

    /// Whether each event before the moment is written or counted as lost. Between two looks there
    /// is a [`BEAT`], in which the lines of a batch reach the outputs.
    fn is_done(&mut self, totals: &SourceTotals, held: usize, control: &Control) -> bool {
        // Events leave in order, but for those in the hold, whose number can be a second old.
        if self.offered.is_none() && held > 0 {
            self.evaluated = false;
            return false;
        }
        if !self.evaluated {
            let done = |kind: &KindTotals| i128::from(kind.seen()) - kind.in_flight();
            let mut both = totals.kinds.iter().zip(&self.seen);
            self.evaluated = both.all(|(kind, seen)| done(kind) >= i128::from(*seen));
            return false;
        }
        let offered = self.offered.get_or_insert_with(|| {
            let active = control.active().into_iter();
            active
                .map(|(_, account)| (Arc::clone(&account), account.counts().offered))
                .collect()
        });
        offered.iter().all(|(account, offered)| {
            let counts = account.counts();
            counts.written + counts.dropped_total() >= *offered
        })
    }
}

/// How often a run notes how far it is.
pub(super) const BEAT: Duration = Duration::from_millis(500);
/// Most marks that wait. If the outputs stand still, younger ones would say no more.
const MARKS_MAX: usize = 4;

/// Notes in the state folder how far this run is, at each [`BEAT`].
#[derive(Debug)]
pub(super) struct Heartbeat {
    run: Run,
    /// The oldest first.
    marks: VecDeque<Mark>,
    /// Whether the last note failed.
    failing: bool,
}

impl Heartbeat {
    /// A run that sees events from that moment on.
    pub(super) fn new(boot_id: &str, attached: Moment, ledger: &Ledger) -> Self {
        Self {
            run: Run {
                boot_id: boot_id.to_owned(),
                complete_until: attached,
                alive: attached,
                stopped: false,
            },
            marks: [Mark::new(attached, &ledger.totals())].into(),
            failing: false,
        }
    }

    /// Finds out how far the run is, and notes it. `held` is the number of events in the hold.
    pub(super) fn beat(
        &mut self,
        ledger: &Ledger,
        held: usize,
        control: &Control,
        state: Option<&StateFolder>,
    ) {
        let Some(state) = state else { return };
        let now = Moment::now();
        let totals = ledger.totals();
        let mut done = None;
        for (n, mark) in self.marks.iter_mut().enumerate() {
            if mark.is_done(&totals, held, control) {
                done = Some(n);
            }
        }
        if let Some(last) = done.and_then(|n| self.marks.drain(..=n).next_back()) {
            self.run.complete_until = last.at;
        }
        if self.marks.len() < MARKS_MAX {
            self.marks.push_back(Mark::new(now, &totals));
        }
        self.run.alive = now;
        let noted = state.note(NAME, &self.run);
        self.say(noted.err());
    }

    /// Notes that the run has stopped: it saw each event before that moment, and wrote it.
    pub(super) fn stopped(&mut self, before: Moment, state: Option<&StateFolder>) {
        let Some(state) = state else { return };
        self.run.complete_until = before;
        self.run.alive = before;
        self.run.stopped = true;
        let kept = state.keep(NAME, &self.run);
        self.say(kept.err());
    }

    fn say(&mut self, error: Option<StateError>) {
        let was_failing = std::mem::replace(&mut self.failing, error.is_some());
        if let (Some(error), false) = (error, was_failing) {
            warn!("the next run will not know the gap before it: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use events::EventSource as _;

    use super::*;
    use crate::sources::syscall::SystemCalls;

    const SECOND: u64 = 1_000_000_000;

    fn moment(boot: u64, utc: u64) -> Moment {
        Moment {
            boot: boot * SECOND,
            utc: utc * SECOND,
        }
    }

    fn run(stopped: bool) -> Run {
        Run {
            boot_id: "b".into(),
            complete_until: moment(10, 1000),
            alive: moment(12, 1002),
            stopped,
        }
    }

    #[test]
    fn a_gap_has_the_kernels_length_within_a_boot_and_that_of_the_clock_over_two() {
        let attached = moment(14, 5000);
        let seconds = |boot| run(true).gap(boot, attached).fields["sensor.gap.seconds"].clone();
        assert_eq!((seconds("b"), seconds("c")), (4.0.into(), 4000.0.into()));
    }

    #[test]
    fn a_run_that_did_not_stop_says_how_long_it_lived_at_least() {
        let text = |stopped| run(stopped).gap("b", moment(14, 1004)).message;
        let (clean, killed) = (text(true), text(false));
        assert!(clean.contains("00:16:40.000000000Z and 1970"), "{clean}");
        assert!(clean.contains("(4.000 s)"), "{clean}");
        assert!(
            killed.contains("not before 1970-01-01T00:16:42.0"),
            "{killed}"
        );
    }

    #[test]
    fn the_next_run_finds_what_a_run_has_noted() {
        let root = tempfile::tempdir().unwrap();
        let state = StateFolder::take(root.path(), "a").unwrap();
        assert_eq!(former(Some(&state)), None);
        let begun = Moment::now();
        let ledger = SystemCalls::ledger();
        let mut heartbeat = Heartbeat::new("b", begun, &ledger);
        let control = Control::default();
        let left = |heartbeat: &mut Heartbeat, held| {
            heartbeat.beat(&ledger, held, &control, Some(&state));
            former(Some(&state)).unwrap()
        };
        for held in [0, 1] {
            let run = left(&mut heartbeat, held);
            assert!(!run.stopped && run.alive.boot > begun.boot);
            assert_eq!(run.complete_until, begun);
        }
        let first = left(&mut heartbeat, 0);
        assert_eq!(first.complete_until, begun, "an event was in the hold");
        let second = left(&mut heartbeat, 0);
        assert!(second.complete_until.boot > begun.boot);
        assert!(second.complete_until.boot < second.alive.boot);
        let stop = Moment::now();
        heartbeat.stopped(stop, Some(&state));
        let left = former(Some(&state)).unwrap();
        assert!(left.stopped && left.complete_until == stop);
    }
}
