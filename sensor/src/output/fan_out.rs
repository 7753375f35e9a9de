//! One stream of lines to all outputs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use config::Config;

use super::{
    Batch, Change, Control, Counts, DropCause, Identity, OutputError, batch::Builder,
    service::Service,
};

/// What is known of a line beside its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta<'a> {
    /// 0 Emergency … 7 Debug.
    pub priority: u8,
    /// The same event as a readable line for a terminal, newline included; used
    /// where [`Outputs::wants_terminal_text`].
    pub terminal: Option<&'a [u8]>,
}

/// All outputs. Belongs to the capture thread; nothing in here waits for an output,
/// but for [`Self::start`] and [`Self::stop`].
#[derive(Debug, Default)]
pub struct Outputs {
    running: Vec<Arc<Service>>,
    lines: Builder,
    terminal_lines: Builder,
    control: Control,
}

impl Outputs {
    /// Starts the outputs that the configuration enables.
    ///
    /// # Errors
    /// If none is enabled, or one cannot work for a reason that does not go away.
    pub fn start(config: &Config, identity: &Arc<Identity>) -> Result<Self, OutputError> {
        let mut outputs = Self::default();
        let change = outputs.control.prepare(config, identity)?;
        outputs.apply(change);
        Ok(outputs)
    }

    /// Goes over to other outputs: those that the change replaces end by themselves,
    /// the others go on. Counts go on in any case.
    pub fn apply(&mut self, mut change: Change) {
        self.flush();
        self.running = self.control.take(&mut change);
    }

    /// Whether [`Meta::terminal`] is used: standard output is a terminal.
    #[must_use]
    pub fn wants_terminal_text(&self) -> bool {
        self.running.iter().any(|output| output.terminal)
    }

    /// Whether lines are used at all: not if the terminal is the only output.
    #[must_use]
    pub fn wants_lines(&self) -> bool {
        self.running.iter().any(|output| !output.terminal)
    }

    /// A handle for other threads.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Adds one whole line, newline included. What no buffer holds any more is handed out before the
    /// end of a drain pass.
    pub fn push(&mut self, line: &[u8], meta: Meta<'_>) {
        let line_wanted = self.wants_lines();
        let text = meta.terminal.unwrap_or(line);
        let text_wanted = self.wants_terminal_text();
        if line_wanted && !self.lines.has_room(line)
            || text_wanted && !self.terminal_lines.has_room(text)
        {
            self.flush();
        }
        if line_wanted {
            self.lines.push(line, meta.priority);
        }
        if text_wanted {
            self.terminal_lines.push(text, meta.priority);
        }
    }

    /// Hands what was added to each output: at the end of each drain pass.
    pub fn flush(&mut self) {
        for terminal in [false, true] {
            let builder = if terminal {
                &mut self.terminal_lines
            } else {
                &mut self.lines
            };
            if builder.is_empty() {
                continue;
            }
            let batch: Batch = builder.take();
            for output in self.running.iter().filter(|o| o.terminal == terminal) {
                output.queue.push(batch.clone());
            }
        }
    }

    /// Writes what waits and stops; what is not written by the deadline is counted
    /// as lost. Name and final counts of each output.
    #[must_use = "the counts tell what was lost"]
    pub fn stop(mut self, deadline: Duration) -> Vec<(&'static str, Counts)> {
        self.flush();
        let deadline = Instant::now() + deadline;
        let mut outputs = self.control.all();
        for output in &outputs {
            output.close(deadline);
        }
        outputs.retain(|output| !output.finish(deadline));
        // Lines that nobody else has any more are in the hands of those that are stuck.
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
