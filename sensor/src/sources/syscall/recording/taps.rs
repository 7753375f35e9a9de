//! The recorders of the capture thread, and the door through which other threads send them.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Relaxed, Release},
        },
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use events::RecordingDemand;
use outputs::internal::{Record, Written};
use rustix::{
    event::{EventfdFlags, eventfd},
    io::{read, write},
};
use sensor_ebpf::{Kind, Kinds};

use super::{Pace, Recorder, RuleRecordings, ThrottledFrame};
use crate::sources::syscall::{
    capture::{Connects, Reach, Watched},
    fields::Context,
};

/// What other threads have of the capture thread's recorders.
#[derive(Clone, Debug)]
pub struct Door {
    recorders: Sender<Recorder>,
    both: Arc<Both>,
}

/// What both sides of the door see.
#[derive(Debug)]
struct Both {
    /// An eventfd.
    wakeup: OwnedFd,
    /// Whether somebody has knocked, so that a pass without a knock makes no system call.
    has_knocked: AtomicBool,
    /// [`Kinds::mask`] of the kinds that the sensor captures.
    captured: AtomicU64,
}

impl Door {
    /// Sends a recorder to the capture thread. Returns false if that thread has ended.
    #[must_use]
    pub fn send(&self, recorder: Recorder) -> bool {
        let is_sent = self.recorders.send(recorder).is_ok();
        self.knock();
        is_sent
    }

    /// Has the capture thread look at its recorders, one of which has lost its reader.
    pub fn knock(&self) {
        self.both.has_knocked.store(true, Release);
        // The write fails only if the thread has been woken often enough.
        let _ = write(&self.both.wakeup, &1_u64.to_ne_bytes());
    }

    /// The kinds of events that the sensor captures now.
    #[must_use]
    pub fn captured(&self) -> Kinds {
        let mask = self.both.captured.load(Relaxed);
        let has = |kinds: Kinds, kind: Kind| kinds.with_if(kind, mask & 1 << kind as u32 != 0);
        Kind::ALL.into_iter().fold(Kinds::NONE, has)
    }
}

/// The recorders, and where new ones come from. By default there is none, and none comes.
#[derive(Default)]
pub struct Taps {
    incoming: Option<(Receiver<Recorder>, Door)>,
    recorders: Vec<Recorder>,
    rule_recordings: Option<RuleRecordings>,
    /// What the recorders want beyond the rules.
    watched: Watched,
    captured: Kinds,
    throttled: Vec<ThrottledFrame>,
}

impl Taps {
    /// Recorders that other threads send through the door, and those that rules start.
    ///
    /// # Errors
    /// If the kernel refuses a descriptor.
    pub fn new(rule_recordings: Option<RuleRecordings>) -> io::Result<(Door, Self)> {
        let (recorders, incoming) = channel();
        let wakeup = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let door = Door {
            recorders,
            both: Arc::new(Both {
                wakeup,
                has_knocked: AtomicBool::new(false),
                captured: AtomicU64::new(0),
            }),
        };
        let taps = Self {
            incoming: Some((incoming, door.clone())),
            rule_recordings,
            ..Self::default()
        };
        Ok((door, taps))
    }

    /// Takes other settings of the recordings that rules start.
    pub fn set_rule_recordings(&mut self, settings: &config::RuleCapture) {
        if let Some(rule_recordings) = &mut self.rule_recordings {
            rule_recordings.set(settings);
        }
    }

    /// A descriptor that becomes readable when [`Self::update`] has work to do.
    #[must_use]
    pub fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        let (_, door) = self.incoming.as_ref()?;
        Some(door.both.wakeup.as_fd())
    }

    /// Whether anybody watches.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.recorders.iter().any(Recorder::is_of_observer)
    }

    /// Takes new recorders over, and drops those that nobody reads any more. Call this before each
    /// batch. Returns what the recorders want beyond the rules, if that has changed.
    pub fn update(&mut self) -> Option<Watched> {
        let (incoming, door) = self.incoming.as_ref()?;
        if !door.both.has_knocked.swap(false, AcqRel) {
            return None;
        }
        // Whoever has knocked writes after that, and wakes the thread again.
        let _ = read(&door.both.wakeup, &mut [0; 8]);
        for mut recorder in incoming.try_iter() {
            if recorder.watched().is_some() {
                recorder.captures(self.captured);
            }
            self.recorders.push(recorder);
        }
        self.recorders.retain(|recorder| !recorder.is_closed());
        let wanted = self.recorders.iter().filter_map(Recorder::watched);
        let none = Watched {
            reach: Reach::default(),
            connects: Connects::default(),
        };
        let watched = wanted.fold(none, |all, one| all.union(one));
        if watched == self.watched {
            return None;
        }
        self.watched = watched;
        Some(self.watched.clone())
    }

    /// Whether a recorder wants events of that kind and place, whatever the rules want.
    #[must_use]
    pub fn wants(&self, kind: Kind, is_host: bool) -> bool {
        let reach = self.watched.reach;
        let kinds = if is_host { reach.host } else { reach.container };
        kinds.contains(kind)
    }

    /// Tells all readers which kinds of events the sensor captures from here on.
    pub fn captures(&mut self, kinds: Kinds) {
        self.captured = kinds;
        if let Some((_, door)) = &self.incoming {
            door.both.captured.store(kinds.mask(), Relaxed);
        }
        let watching = self.recorders.iter_mut();
        watching
            .filter(|recorder| recorder.watched().is_some())
            .for_each(|recorder| recorder.captures(kinds));
    }

    /// Takes over the throttled events of places, for the next counts of each recording.
    pub fn throttled(&mut self, places: Vec<ThrottledFrame>) {
        self.throttled = places;
    }

    /// Records an event. `by_rules`: rules look at the event, and not only observers.
    #[inline]
    pub fn record(&mut self, context: &Context<'_>, by_rules: bool) {
        for recorder in &mut self.recorders {
            recorder.record(context, by_rules);
        }
    }

    /// Records an event that the rules have looked at, where rules start recordings; `demand` is there
    /// if a rule matched.
    #[inline]
    pub fn record_for_rules(&mut self, context: &Context<'_>, demand: Option<RecordingDemand>) {
        if let Some(rule_recordings) = &mut self.rule_recordings {
            rule_recordings.record(context, demand);
        }
    }

    /// Records what the sensor wrote about itself.
    pub fn note(&mut self, record: &Written) {
        self.update();
        let capture = self
            .rule_recordings
            .as_mut()
            .and_then(RuleRecordings::recorder);
        for recorder in self.recorders.iter_mut().chain(capture) {
            recorder.note(record);
        }
    }

    /// Passes on what is due. Call this after each batch. Returns what the sensor has to say of
    /// recordings.
    pub fn flush(&mut self) -> Option<Record> {
        for recorder in &mut self.recorders {
            recorder.flush(&self.throttled);
        }
        if let Some((_, door)) = &self.incoming
            && self.recorders.iter().any(Recorder::is_closed)
        {
            door.knock();
        }
        self.rule_recordings.as_mut()?.flush()
    }

    /// How long nothing is due.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let due = self.recorders.iter().filter_map(Recorder::due).min();
        due.map_or(Duration::MAX, |due| {
            due.saturating_duration_since(Instant::now())
        })
    }

    /// Ends all recordings.
    pub fn finish(&mut self) {
        self.update();
        for mut recorder in self.recorders.drain(..) {
            // Somebody who watches may have stopped to read.
            let waits = recorder.pace() == Pace::Blocks;
            recorder.finish(waits);
        }
        if let Some(rule_recordings) = &mut self.rule_recordings {
            rule_recordings.finish();
        }
    }
}
