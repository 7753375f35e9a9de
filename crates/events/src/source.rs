//! The contract of a source of events.

use std::{io, os::fd::BorrowedFd, time::Duration};

use falco_rules::Timed;
use outputs::internal::Written;
use telemetry::{Condition, Kind, Ledger};

use crate::{Around, Lines, Share};

/// A source of events: a [`crate::Feed`] drives it in a thread of its own.
///
/// The compiler resolves every call: an event needs no dynamic dispatch. A source takes an event,
/// counts it in its [`Ledger`], and gives it to an [`crate::Evaluator`], which writes the lines of
/// the rules that match to the outputs.
pub trait EventSource: Sized + Send + 'static {
    /// The source as rules see it: its name, the classes of its events, its fields.
    type Language: Timed;

    /// Rules with everything that depends on them, ready for use.
    type Rules: Send;

    /// The requirements of the rules: the source leaves out events that no rule wants as early as
    /// it can.
    type Demand: Send;

    /// Why the source cannot fulfil requirements.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Figures at one moment, beside those of the ledger.
    type Figures: Clone + Default + Send + Sync + 'static;

    /// Causes of losses that the source itself does not count.
    const CAUSES: &'static [&'static str] = &[];

    /// Capabilities that the source needs while it runs. They choose nothing: the lock-down keeps a
    /// fixed list, and a test of the source compares both.
    const RIGHTS: &'static [&'static str] = &[];

    /// Readiness conditions that the source adds.
    const CONDITIONS: &'static [Condition] = &[];

    /// The kinds of its events, in the order of their numbers.
    fn kinds() -> Vec<Kind>;

    /// An empty ledger for its events.
    #[must_use]
    fn ledger() -> Ledger {
        let name = <Self::Language as falco_rules::Source>::NAME;
        Ledger::new(name, Self::kinds(), Self::CAUSES)
    }

    /// The thread of the source calls this first.
    fn begin(&mut self) {}

    /// Takes the events that are there, at most `most`, and does the regular work that is due.
    ///
    /// # Errors
    /// If the source cannot continue: the thread ends.
    fn pass(&mut self, most: usize, lines: &mut impl Lines) -> io::Result<Next>;

    /// Descriptors that become readable when a pass has work to do.
    fn wakeups(&self) -> Vec<BorrowedFd<'_>>;

    /// How long a pass has no work to do if no descriptor becomes readable.
    fn patience(&mut self) -> Duration {
        Duration::MAX
    }

    /// The lines of the last pass are in the queues of the outputs.
    fn flushed(&mut self) {}

    /// Takes other rules, from the next event on.
    ///
    /// # Errors
    /// If the source cannot fulfil the requirements: the former rules stay.
    fn reload(&mut self, rules: Self::Rules, demand: Self::Demand) -> Result<(), Self::Error>;

    /// A record that the sensor made about itself is in the stream here.
    fn note(&mut self, _record: &Written) {}

    /// Takes another share of the events, while two processes see the same ones. The source counts
    /// the events of the other process as passed over.
    ///
    /// A source whose events another process cannot take ignores the call.
    fn share(&mut self, _share: Share, _lines: &mut impl Lines) {}

    /// The events around the moment of the last [`Share::Proposed`] and [`Share::Until`].
    fn around(&mut self) -> Around {
        Around::default()
    }

    /// The position up to which the source's events are done (their lines written or counted as
    /// dropped), if the source can start again from a position.
    fn checkpoint(&self) -> Option<u64> {
        None
    }

    /// Stops the flow of new events; events that have come are still there for [`Self::pass`].
    fn detach(&mut self) {}

    /// No pass follows: releases the events that wait.
    fn finish(&mut self, _lines: &mut impl Lines) {}

    /// The current figures.
    fn figures(&mut self) -> Self::Figures {
        Self::Figures::default()
    }
}

/// When the next pass is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At once: more events are there.
    Now,
    /// After a pause: few events came, and more will follow.
    After(Duration),
    /// When a descriptor becomes readable.
    Wakeup,
    /// Never: no event follows. The thread ends.
    End,
}
