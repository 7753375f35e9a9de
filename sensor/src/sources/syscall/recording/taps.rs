//! The recorders of the capture thread.

use std::sync::mpsc::Receiver;

use events::RecordingDemand;
use outputs::internal::{Record, Written};

use super::{Pace, Recorder, RuleRecordings};
use crate::sources::syscall::fields::Context;

/// The recorders, and where new ones come from. By default there is none, and none comes.
#[derive(Default)]
pub struct Taps {
    incoming: Option<Receiver<Recorder>>,
    recorders: Vec<Recorder>,
    rule_recordings: Option<RuleRecordings>,
}

impl Taps {
    /// Recorders that another thread sends, and those that rules start.
    #[must_use]
    pub fn new(incoming: Receiver<Recorder>, rule_recordings: Option<RuleRecordings>) -> Self {
        Self {
            incoming: Some(incoming),
            recorders: Vec::new(),
            rule_recordings,
        }
    }

    /// Takes other settings of the recordings that rules start.
    pub fn set_rule_recordings(&mut self, settings: &config::RuleCapture) {
        if let Some(rule_recordings) = &mut self.rule_recordings {
            rule_recordings.set(settings);
        }
    }

    /// Takes new recorders over. Call this before each batch.
    pub fn update(&mut self) {
        if let Some(incoming) = &self.incoming {
            self.recorders.extend(incoming.try_iter());
        }
    }

    /// Records an event; `demand` is there if a rule matched.
    #[inline]
    pub fn record(&mut self, context: &Context<'_>, demand: Option<RecordingDemand>) {
        for recorder in &mut self.recorders {
            recorder.record(context);
        }
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

    /// Passes on what is due, and drops the recorders that nobody reads any more. Call this after each
    /// batch. Returns what the sensor has to say of recordings.
    pub fn flush(&mut self) -> Option<Record> {
        self.recorders.iter_mut().for_each(Recorder::flush);
        self.recorders.retain(|recorder| !recorder.is_closed());
        self.rule_recordings.as_mut()?.flush()
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
