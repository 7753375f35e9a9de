//! One stream of lines to all outputs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use config::Config;
use falco_rules::Priority;
use telemetry::Identity;

use super::{
    Batch, Change, Control, Counts, DropCause, Gate, OutputError,
    batch::Builder,
    kinds::KINDS,
    progress::{Producers, Progress},
    service::Service,
};

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the configuration says: JSON or text.
    Configured,
    /// As text, for somebody at a terminal.
    Terminal,
}

/// The outputs that want lines in the same form, and the lines that wait for them.
#[derive(Debug)]
struct Stream {
    form: Form,
    /// None if no output wants this form: no line is written in it.
    services: Vec<Arc<Service>>,
    lines: Builder,
}

/// All outputs. The capture thread owns this value; only [`Self::start`] and [`Self::stop`] wait
/// for an output.
#[derive(Debug)]
pub struct Outputs {
    streams: [Stream; 2],
    producers: Producers,
    control: Control,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            streams: [Form::Configured, Form::Terminal].map(|form| Stream {
                form,
                services: Vec::new(),
                lines: Builder::default(),
            }),
            producers: Producers::default(),
            control: Control::default(),
        }
    }
}

impl Outputs {
    /// Starts the outputs that the configuration enables.
    ///
    /// # Errors
    /// If the configuration enables no output, or one cannot work for a lasting reason.
    pub fn start(config: &Config, identity: &Arc<Identity>) -> Result<Self, OutputError> {
        Self::start_behind(Gate::default(), config, identity)
    }

    /// Starts the outputs like [`Self::start`]; those to files begin when the gate opens.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_behind(
        gate: Gate,
        config: &Config,
        identity: &Arc<Identity>,
    ) -> Result<Self, OutputError> {
        let mut outputs = Self {
            control: Control::behind(gate),
            ..Self::default()
        };
        let change = outputs.control.prepare(config, identity)?;
        outputs.apply(change);
        Ok(outputs)
    }

    /// Why a start with that configuration would fail, without one: what is wrong with each enabled
    /// output.
    #[must_use]
    pub fn check(config: &Config) -> Vec<OutputError> {
        let mut enabled = KINDS
            .iter()
            .filter(|kind| (kind.enabled)(config))
            .peekable();
        if enabled.peek().is_none() {
            return vec![OutputError::None];
        }
        enabled
            .filter_map(|kind| (kind.check)(config).err())
            .collect()
    }

    /// Takes the outputs of a change into service: replaced outputs end by themselves, the others
    /// go on. All counts go on.
    pub fn apply(&mut self, mut change: Change) {
        self.flush();
        let running = self.control.take(&mut change);
        for stream in &mut self.streams {
            let wanting = running.iter().filter(|output| output.form == stream.form);
            stream.services = wanting.cloned().collect();
        }
    }

    /// For a producer that knows its position, and needs to know how far the outputs are.
    #[must_use]
    pub fn track(&mut self) -> Progress {
        self.producers.track()
    }

    /// A handle for other threads.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Adds a line to the buffer that the outputs read: `write` appends the line, newline included,
    /// in each form that an output wants. A full buffer goes to the outputs before the drain pass
    /// ends.
    pub fn line(&mut self, priority: Priority, mut write: impl FnMut(Form, &mut BytesMut)) {
        let wanted = |stream: &&Stream| !stream.services.is_empty();
        let mut streams = self.streams.iter().filter(wanted);
        if !streams.all(|stream| stream.lines.has_room()) {
            self.flush();
        }
        let streams = self.streams.iter_mut();
        for stream in streams.filter(|stream| !stream.services.is_empty()) {
            let form = stream.form;
            stream.lines.line(priority, |out| write(form, out));
        }
        if self.streams.iter().any(|stream| stream.lines.is_too_long()) {
            self.hand_out(Builder::take_before_last);
        }
    }

    /// Hands the lines that were added to each output, at the end of each drain pass.
    pub fn flush(&mut self) {
        if self.streams.iter().all(|stream| stream.lines.is_empty()) {
            return self.producers.pass();
        }
        self.hand_out(Builder::take);
    }

    fn hand_out(&mut self, take: fn(&mut Builder) -> Batch) {
        let receipt = self.producers.receipt();
        let streams = self.streams.iter_mut();
        for stream in streams.filter(|stream| !stream.lines.is_empty()) {
            let batch = take(&mut stream.lines).with_receipt(receipt.as_ref());
            for output in &stream.services {
                output.queue.push(batch.clone());
            }
        }
    }

    /// Writes the lines that wait, and stops; lines that are not written by the deadline count as
    /// dropped. Returns the name and the final counts of each output.
    #[must_use = "the counts say how many lines were lost"]
    pub fn stop(mut self, deadline: Duration) -> Vec<(&'static str, Counts)> {
        self.flush();
        let deadline = Instant::now() + deadline;
        let mut outputs = self.control.all();
        for output in &outputs {
            output.close(deadline);
        }
        outputs.retain(|output| !output.finish(deadline));
        // Lines of which only these copies are left belong to outputs that are stuck.
        for output in outputs {
            let account = output.queue.account();
            account.give_up(DropCause::Stopped, account.counts().spooled);
        }
        let accounts = self.control.accounts().into_iter();
        accounts
            .map(|(name, account)| (name, account.counts()))
            .collect()
    }
}
