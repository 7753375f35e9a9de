//! What a source of events is.

use std::{io, os::fd::BorrowedFd, time::Duration};

use falco_rules::Timed;
use telemetry::{Condition, Kind, Ledger};

use crate::Lines;

/// A source of events: a [`crate::Feed`] drives it in a thread of its own.
///
/// Everything is resolved when the program is compiled: nothing is dynamic for each event. A
/// source takes an event, counts it in its [`Ledger`], asks its rules by an
/// [`crate::Evaluator`], and the lines of those that match go to the outputs.
pub trait EventSource: Sized + Send + 'static {
    /// How rules see the events: the source's name, the classes of its events, its fields.
    type Language: Timed;

    /// Rules and all that goes with them, ready for use.
    type Rules: Send;

    /// What the rules ask of the source: events that nobody asks for are left out as early as the
    /// source can.
    type Demand: Send;

    /// Why the source cannot give what is demanded.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Figures of a moment, beside those of the ledger.
    type Figures: Clone + Default + Send + Sync + 'static;

    /// Causes of losses that the source does not count itself.
    const CAUSES: &'static [&'static str] = &[];

    /// Capabilities that the process keeps for the source while it runs.
    const RIGHTS: &'static [&'static str] = &[];

    /// What the source must fulfil for the process to be ready.
    const CONDITIONS: &'static [Condition] = &[];

    /// The kinds of its events, in the order of their numbers.
    fn kinds() -> Vec<Kind>;

    /// An empty ledger for its events.
    #[must_use]
    fn ledger() -> Ledger {
        let name = <Self::Language as falco_rules::Source>::NAME;
        Ledger::new(name, Self::kinds(), Self::CAUSES)
    }

    /// The source's thread begins.
    fn begin(&mut self) {}

    /// Takes what is there, at most `most` events, and does what else is due.
    ///
    /// # Errors
    /// If the source cannot go on: the thread ends.
    fn pass(&mut self, most: usize, lines: &mut impl Lines) -> io::Result<Next>;

    /// What becomes readable when a pass has something to do.
    fn wakeups(&self) -> Vec<BorrowedFd<'_>>;

    /// How long a pass has nothing to do if nothing becomes readable.
    fn patience(&mut self) -> Duration {
        Duration::MAX
    }

    /// The lines of the last pass are in the outputs' queues.
    fn flushed(&mut self) {}

    /// Takes other rules, from the next event on.
    ///
    /// # Errors
    /// If the source cannot give what is demanded: the former rules stay.
    fn reload(&mut self, rules: Self::Rules, demand: Self::Demand) -> Result<(), Self::Error>;

    /// Leaves events of that time and later (nanoseconds since boot) to another process, which
    /// takes those and no others: between both each event is taken once. Events left so are
    /// counted as passed over.
    ///
    /// A source whose events another process cannot take ignores the call.
    fn hand_over(&mut self, _time: u64) {}

    /// Up to where the source's events are done (their lines written or counted as dropped), if
    /// the source can start again from there.
    fn checkpoint(&self) -> Option<u64> {
        None
    }

    /// Lets no further event come; those that came are still there for [`Self::pass`].
    fn detach(&mut self) {}

    /// No pass follows: lets go what waits.
    fn finish(&mut self, _lines: &mut impl Lines) {}

    /// The figures of now.
    fn figures(&mut self) -> Self::Figures {
        Self::Figures::default()
    }
}

/// When the next pass is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At once: there is more.
    Now,
    /// After a while: few events came, and more will.
    After(Duration),
    /// When something becomes readable.
    Wakeup,
    /// Never: no event follows. The thread ends.
    End,
}
