//! The running sensor's side from the moment on at which it hands over.

use std::{
    io,
    thread::sleep,
    time::{Duration, Instant},
};

use events::{Around, Feed, SKEW, Share};
use metadata::boot_now;
use tracing::info;

use super::{Successor, message::Message, reached, wire::Wire};
use crate::sources::syscall::SystemCalls;

/// How far in the future the first proposal is; the next ones are farther.
const LEAD: Duration = Duration::from_millis(300);
/// Most proposals.
const PROPOSALS: u32 = 5;
/// Longest time for an answer, and for the capture thread.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often this sensor looks whether the successor is still there.
const LOOK: Duration = Duration::from_millis(5);
/// Longest time for events in the hold: longer than an event usually waits there (`sensor.hold`).
const HOLD: Duration = Duration::from_secs(3);

/// Why this sensor has not handed over: it goes on.
#[derive(Debug, thiserror::Error)]
#[error("sensor {sensor} (pid {pid}) does not take over: {source}")]
pub struct Failed {
    pid: u32,
    sensor: String,
    source: io::Error,
    /// From this time on, nanoseconds since boot, events were left to the successor.
    pub left_from: Option<u64>,
}

/// The running sensor has left the events from the moment on to the successor, and evaluates and
/// writes those before it.
#[derive(Debug)]
pub struct Handing {
    wire: Wire,
    /// The moment, nanoseconds since boot.
    pub at: u64,
}

/// Agrees with the successor on a moment, and waits until the moment has passed.
///
/// # Errors
/// If the successor ends or does not answer; this sensor takes all events again then.
pub fn hand_over(feed: &Feed<SystemCalls>, successor: Successor) -> Result<Handing, Failed> {
    let Successor {
        mut wire,
        pid,
        sensor,
    } = successor;
    let mut left_from = None;
    let done = agree(feed, &mut wire).and_then(|at| {
        left_from = Some(at);
        shared(feed, Share::Until(at))?;
        reached("agreed");
        wait_for(at, &wire)?;
        reached("passed");
        empty_the_hold(feed, at, &wire)?;
        Ok(at)
    });
    match done {
        Ok(at) => {
            info!("events are left to sensor {sensor} (pid {pid}) from now on");
            Ok(Handing { wire, at })
        }
        Err(source) => {
            // The capture thread obeys, or it has ended and the sensor stops.
            let _ = shared(feed, Share::Whole);
            // The successor may have gone.
            let _ = wire.send(&Message::Withdraw);
            Err(Failed {
                pid,
                sensor,
                source,
                left_from: left_from.filter(|at| *at < boot_now()),
            })
        }
    }
}

/// Proposes moments until the successor agrees to one.
fn agree(feed: &Feed<SystemCalls>, wire: &mut Wire) -> io::Result<u64> {
    let mut lead = LEAD;
    for _ in 0..PROPOSALS {
        let at = boot_now() + u64::try_from(lead.as_nanos()).unwrap_or(u64::MAX);
        shared(feed, Share::Proposed(at))?;
        wire.send(&Message::Propose { at })?;
        reached("proposed");
        match wire.receive(Instant::now() + lead + PATIENCE)? {
            Some(Message::Agree { at: agreed }) if agreed == at => return Ok(at),
            Some(Message::TooLate { at: late }) if late == at => lead *= 2,
            Some(other) => return Err(io::Error::other(format!("it says {other:?}"))),
            None => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(io::Error::other("each proposed moment was too near"))
}

/// Gives the capture thread another share, and waits until it has taken it.
pub(super) fn shared(feed: &Feed<SystemCalls>, share: Share) -> io::Result<()> {
    let done = feed.share(share).recv_timeout(PATIENCE);
    done.map_err(|_| io::Error::other("the capture thread does not answer"))
}

/// Waits until each event before the moment has got its time.
fn wait_for(at: u64, wire: &Wire) -> io::Result<()> {
    while boot_now() <= at + SKEW {
        if wire.has_ended() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sleep(LOOK);
    }
    Ok(())
}

/// Waits until no event waits for its container any more. A stop would release such events as they
/// are; here the next sensor already has the events that happen meanwhile.
fn empty_the_hold(feed: &Feed<SystemCalls>, at: u64, wire: &Wire) -> io::Result<()> {
    let figures = feed.figures();
    let begin = Instant::now();
    loop {
        // The figures are new after a command.
        shared(feed, Share::Until(at))?;
        sleep(LOOK);
        if wire.has_ended() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if figures().events == 0 || begin.elapsed() >= HOLD {
            return Ok(());
        }
        sleep(LOOK);
    }
}

impl Handing {
    /// All events before the moment are evaluated: tells the successor which ones these are.
    ///
    /// # Errors
    /// If the successor has ended.
    pub fn handed(&mut self, around: Around) -> io::Result<()> {
        self.wire.send(&Message::Handed { around })?;
        reached("handed");
        Ok(())
    }

    /// All lines are written: the successor may write to the same files.
    ///
    /// # Errors
    /// If the successor has ended.
    pub fn written(&mut self, dropped: u64) -> io::Result<()> {
        self.wire.send(&Message::Written { dropped })?;
        reached("written");
        Ok(())
    }
}
