//! `sensor record`: events of this machine to a file.

use std::{
    io,
    os::fd::AsFd as _,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use anyhow::Context as _;
use config::{BrokenRules, Config};
use telemetry::{Identity, Ledger};

use crate::sources::syscall::{
    recording::{Door, Pace, Recorded, Recorder, Writer},
    rules::{Requirements, RuleSet},
};

/// A recording that somebody asks for.
pub(super) struct RecordTo<'a> {
    /// The file, which must not exist.
    pub(super) path: &'a Path,
    /// Whether the lines of the rules are written too.
    pub(super) writes_lines: bool,
    /// Whether to record all events of the machine, and not those that the rules want.
    pub(super) everything: bool,
}

/// A recording in progress.
pub(super) struct Recording {
    writer: Writer,
    recorded: Arc<Recorded>,
}

/// Keeps a recording apart from a sensor that runs beside it: the configuration's outputs (unless
/// lines are written), web server, records of losses and instance are that sensor's.
pub(super) fn apart(config: &mut Config, writes_lines: bool, records_everything: bool) {
    config.webserver.enabled = false;
    config.metrics.enabled = false;
    config.log_syslog = false;
    config.watch_config_files = false;
    config.sensor.self_test.enabled = false;
    config.capture.enabled = false;
    config.sensor.state_dir.clear();
    config.sensor.rules.broken = BrokenRules::Stop;
    config.sensor.instance = format!("record-{}", std::process::id());
    if !writes_lines {
        if records_everything {
            config.rules_files.clear();
        }
        config.file_output.enabled = false;
        config.stdout_output.enabled = false;
        config.http_output.enabled = false;
        config.program_output.enabled = false;
        config.syslog_output.enabled = false;
    }
}

impl RecordTo<'_> {
    /// What must come from the kernel side and the metadata.
    pub(super) fn requirements(&self, rules: &RuleSet) -> Requirements {
        if self.everything {
            Requirements::everything()
        } else {
            rules.requirements().clone()
        }
    }

    /// Makes the file, and sends a recorder to the capture thread.
    pub(super) fn start(
        &self,
        identity: &Identity,
        ledger: &Arc<Ledger>,
        door: &Door,
    ) -> anyhow::Result<Recording> {
        let (started, pace) = if self.path == Path::new("-") {
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            let started = stdout.and_then(|stdout| Writer::to(stdout.into(), self.path));
            (started, Pace::WATCHED)
        } else {
            (Writer::start(self.path), Pace::Blocks)
        };
        let (writer, chunks) =
            started.with_context(|| format!("cannot record to {}", self.path.display()))?;
        let ledger = Arc::clone(ledger);
        let recorder = Recorder::new(chunks, pace, None, identity, ledger);
        let counts = recorder.recorded();
        // The receiver is in the capture thread, which does not run yet.
        let _ = door.send(recorder);
        Ok(Recording {
            writer,
            recorded: counts,
        })
    }
}

impl Recording {
    /// Whether the file takes no more events, since the disk refused some.
    pub(super) fn has_ended(&self) -> bool {
        self.writer.has_ended()
    }

    /// Waits until the file is whole; the capture thread must have ended. Returns what to say of the
    /// recording.
    pub(super) fn finish(self) -> anyhow::Result<String> {
        let path = self.writer.path().to_owned();
        let bytes = match self.writer.finish() {
            // Whoever read the recording has enough of it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(String::new()),
            bytes => bytes,
        };
        let bytes = bytes.with_context(|| format!("cannot record to {}", path.display()))?;
        let (events, lost) = (
            self.recorded.events.load(Relaxed),
            self.recorded.lost.load(Relaxed),
        );
        let path = path.display();
        let lost = match lost {
            0 => String::new(),
            lost => format!("; {lost} events are not in it, since the disk was too slow"),
        };
        Ok(format!("{path}: {events} events in {bytes} bytes{lost}\n"))
    }
}
