//! The recorders of the capture thread.

use std::sync::mpsc::Receiver;

use super::Recorder;
use crate::sources::syscall::fields::Context;

/// The recorders, and where new ones come from. By default there is none, and none comes.
#[derive(Default)]
pub struct Taps {
    incoming: Option<Receiver<Recorder>>,
    recorders: Vec<Recorder>,
}

impl Taps {
    /// Recorders that another thread sends.
    #[must_use]
    pub fn new(incoming: Receiver<Recorder>) -> Self {
        Self {
            incoming: Some(incoming),
            recorders: Vec::new(),
        }
    }

    /// Takes new recorders over. Call this before each batch.
    pub fn update(&mut self) {
        if let Some(incoming) = &self.incoming {
            self.recorders.extend(incoming.try_iter());
        }
    }

    /// Records an event.
    #[inline]
    pub fn record(&mut self, context: &Context<'_>) {
        for recorder in &mut self.recorders {
            recorder.record(context);
        }
    }

    /// Passes on what is due, and drops the recorders that nobody reads any more. Call this after each
    /// batch.
    pub fn flush(&mut self) {
        if self.recorders.is_empty() {
            return;
        }
        self.recorders.iter_mut().for_each(Recorder::flush);
        self.recorders.retain(|recorder| !recorder.is_closed());
    }

    /// Ends all recordings.
    pub fn finish(&mut self) {
        self.update();
        self.recorders.iter_mut().for_each(Recorder::finish);
        self.recorders.clear();
    }
}
