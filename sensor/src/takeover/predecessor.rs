//! The new sensor's side: it stands by, and takes over from its predecessor.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread::sleep,
    time::{Duration, Instant},
};

use events::{Around, Feed, SKEW, Share};
use metadata::boot_now;
use tracing::{info, warn};

use super::{
    handing::shared,
    message::{Greeting, Message, When},
    reached,
    wire::Wire,
};
use crate::{
    lifecycle::{Instance, StateFolder},
    sources::syscall::SystemCalls,
};

/// Longest wait of one step.
const STEP: Duration = Duration::from_millis(20);
/// How long the predecessor may be silent where it is its turn.
const SILENCE: Duration = Duration::from_secs(30);
/// How often this sensor asks one that did not hand over.
const ASK: Duration = Duration::from_secs(1);
/// How long the predecessor may write its last lines, beyond its time limit for a stop.
const WRITING: Duration = Duration::from_secs(10);

/// A sensor that runs, and from which this one can take over.
#[derive(Debug)]
pub struct Predecessor {
    /// None if that sensor does not hand over: this one waits until it has ended.
    wire: Option<Wire>,
    folder: StateFolder,
    /// The name of the instance, and its lock.
    instance: (String, Option<Instance>),
    when: When,
    state: State,
    writing: Duration,
    /// When this sensor last asked for the wire.
    asked: Instant,
}

/// How far the takeover is, and until when the predecessor must go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// This sensor starts.
    Starts,
    /// It has said that it is ready.
    Ready(Instant),
    /// The predecessor has heard so.
    StandsBy(Option<Instant>),
    /// Events wait, from before that moment on.
    Agreed(u64, Instant),
    /// The predecessor writes its last lines.
    Handed(u64, Instant),
}

/// What a start has found.
#[derive(Debug)]
pub enum Found {
    /// A sensor from which this one can take over.
    Predecessor(Box<Predecessor>),
    /// A sensor that does not hand over, and why.
    Refusal(String),
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The predecessor still captures or writes.
    Waits,
    /// The predecessor knows that this sensor can take over, or will just end.
    IsAble,
    /// This sensor is alone.
    Took(Took),
}

/// The takeover, when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// This sensor takes the events from that moment on, nanoseconds since boot.
    pub at: u64,
    /// How the predecessor ended.
    pub how: How,
}

/// How the predecessor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It has written all events before the moment.
    Handed {
        /// Lines that it counted as dropped at its stop.
        dropped: u64,
    },
    /// Events before the moment can be missing.
    Ended {
        /// Whether events within [`SKEW`] of the moment can be there twice.
        doubled: bool,
    },
}

impl Predecessor {
    /// Finds the running sensor that has the state folder. `instance` is the name of the instance,
    /// and its lock if this process has it. `stop` is how long a stop of that sensor may take.
    #[must_use]
    pub fn find(
        mut folder: StateFolder,
        instance: (&str, Option<Instance>),
        when: When,
        stop: Duration,
    ) -> Found {
        let (name, mut lock) = instance;
        let wire = match meet(&mut folder, &mut lock, when) {
            Ok(wire) => Some(wire),
            Err(error) if when == When::Stop => {
                info!(
                    "the sensor that runs does not hand over: {error}; this one begins at its end"
                );
                None
            }
            Err(error) => return Found::Refusal(error.to_string()),
        };
        reached("met");
        Found::Predecessor(Box::new(Self {
            wire,
            folder,
            instance: (name.to_owned(), lock),
            when,
            state: State::Starts,
            writing: stop + WRITING,
            asked: Instant::now(),
        }))
    }

    /// The state folder, to read in it.
    #[must_use]
    pub fn folder(&self) -> &StateFolder {
        &self.folder
    }

    /// Whether this sensor is to take over as soon as it is ready.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.when == When::Ready
    }

    /// The state folder and the lock of the instance, when this sensor has taken over.
    #[must_use]
    pub fn into_locks(self) -> (StateFolder, Option<Instance>) {
        (self.folder, self.instance.1)
    }

    /// Hears what the predecessor says, for a short time. `is_ready` says whether this sensor could
    /// do the predecessor's work.
    ///
    /// # Errors
    /// If the predecessor goes on, and does not hand over.
    pub fn step(&mut self, feed: &Feed<SystemCalls>, is_ready: bool) -> io::Result<Step> {
        let Some(wire) = &mut self.wire else {
            return self.wait_for_its_end(feed, is_ready);
        };
        let silence = Instant::now() + SILENCE;
        if self.state == State::Starts && is_ready {
            // An error shows below.
            let _ = wire.send(&Message::Ready);
            self.state = State::Ready(silence);
            reached("ready");
        }
        match wire.receive(Instant::now() + STEP) {
            Ok(Some(message)) => self.hear(message, feed),
            Ok(None) => self.look_at_the_time(),
            Err(error) if is_end(&error) => self.alone(feed),
            Err(error) => Err(error),
        }
    }

    /// What a silent predecessor means.
    fn look_at_the_time(&self) -> io::Result<Step> {
        let now = Instant::now();
        match self.state {
            State::Handed(at, until) if now >= until => {
                warn!("the former sensor has not said that it has written all of its lines");
                let how = How::Ended { doubled: false };
                Ok(Step::Took(Took { at, how }))
            }
            State::Ready(until) | State::StandsBy(Some(until)) | State::Agreed(_, until)
                if now >= until =>
            {
                Err(io::Error::other("it does not answer"))
            }
            State::Agreed(at, _) => {
                if boot_now() > at {
                    reached("waits");
                }
                Ok(Step::Waits)
            }
            _ => Ok(Step::Waits),
        }
    }

    fn hear(&mut self, message: Message, feed: &Feed<SystemCalls>) -> io::Result<Step> {
        let Some(wire) = &mut self.wire else {
            return Ok(Step::Waits);
        };
        let silence = Instant::now() + SILENCE;
        let stands_by = State::StandsBy((self.when == When::Ready).then_some(silence));
        match (message, self.state) {
            (Message::Noted, _) => {
                self.state = stands_by;
                reached("noted");
                return Ok(Step::IsAble);
            }
            (Message::Propose { at }, _) => {
                shared(feed, Share::From(at))?;
                // No event has been passed over that happened less than `SKEW` before the moment.
                let answer = if boot_now() + SKEW < at {
                    self.state = State::Agreed(at, silence);
                    Message::Agree { at }
                } else {
                    shared(feed, Share::Nothing)?;
                    self.state = stands_by;
                    Message::TooLate { at }
                };
                // An error shows at the next step.
                let _ = wire.send(&answer);
                reached("agreed");
            }
            (Message::Withdraw, _) => {
                shared(feed, Share::Nothing)?;
                self.state = stands_by;
            }
            (Message::Handed { around }, State::Agreed(at, _)) => {
                reached("handed");
                let around = if around.at == at {
                    around
                } else {
                    Around::nothing(at)
                };
                let (taken, left) = (around.taken.len(), around.left.len());
                // Commands are done in order; to evaluate what waits can take a while.
                drop(feed.share(Share::Rest(around)));
                info!(
                    "this sensor takes the events from now on ({taken} and {left} were compared)"
                );
                self.state = State::Handed(at, Instant::now() + self.writing);
                reached("takes");
            }
            (Message::Written { dropped }, State::Handed(at, _)) => {
                let how = How::Handed { dropped };
                return Ok(Step::Took(Took { at, how }));
            }
            (message, _) => return Err(io::Error::other(format!("it says {message:?}"))),
        }
        Ok(Step::Waits)
    }

    /// The predecessor has ended before it had written all.
    fn alone(&self, feed: &Feed<SystemCalls>) -> io::Result<Step> {
        let now = boot_now();
        let (at, doubled) = match self.state {
            State::Handed(at, _) => {
                let how = How::Ended { doubled: false };
                return Ok(Step::Took(Took { at, how }));
            }
            State::Agreed(at, _) if at <= now => (at, true),
            _ => (now, false),
        };
        shared(feed, Share::Rest(Around::nothing(at)))?;
        let how = How::Ended { doubled };
        Ok(Step::Took(Took { at, how }))
    }

    /// A sensor that does not hand over ends at some time, or another one takes its place.
    fn wait_for_its_end(&mut self, feed: &Feed<SystemCalls>, is_ready: bool) -> io::Result<Step> {
        let has_ended = self.folder.try_to_take().map_err(io::Error::other)?;
        let (name, lock) = &mut self.instance;
        if has_ended && lock.is_none() {
            *lock = Instance::take(name).ok();
        }
        if has_ended && lock.is_some() {
            return self.alone(feed);
        }
        if !has_ended && self.asked.elapsed() >= ASK {
            self.wire = meet(&mut self.folder, lock, self.when).ok();
            self.asked = Instant::now();
        }
        sleep(STEP);
        Ok(if is_ready { Step::IsAble } else { Step::Waits })
    }
}

/// Greets the running sensor, and takes its locks beside it.
fn meet(folder: &mut StateFolder, lock: &mut Option<Instance>, when: When) -> io::Result<Wire> {
    let mut wire = Wire::new(UnixStream::connect(folder.takeover_door())?)?;
    wire.send(&Greeting {
        when,
        instance: lock.is_none(),
        ..Greeting::own()
    })?;
    let (greeting, locks): (Greeting, Vec<OwnedFd>) = wire.receive_with()?;
    if let Some(why) = greeting.error {
        return Err(io::Error::other(why));
    }
    let mut locks = locks.into_iter();
    let of_folder = locks
        .next()
        .ok_or_else(|| io::Error::other("no lock came"))?;
    folder.take_with(of_folder).map_err(io::Error::other)?;
    if lock.is_none() {
        *lock = locks.next().map(Instance::from);
    }
    let Greeting { sensor, pid, .. } = greeting;
    info!("sensor {sensor} (pid {pid}) runs, and this one will take over from it");
    Ok(wire)
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}
