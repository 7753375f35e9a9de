//! The kinds of outputs: a row for each, and a module that starts it.

use std::{os::fd::OwnedFd, path::PathBuf, sync::Arc};

use config::Config;
use telemetry::Identity;

use super::{
    Form, Limit, OutputError, Queue, file, http, program, stdout, syslog, terminal, worker::Worker,
};

/// Most bytes that wait before an output other than the file output.
const QUEUE_BYTES: u64 = 64 << 20;

/// A kind of output.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) enabled: fn(&Config) -> bool,
    /// The form of the lines for this kind.
    pub(super) form: fn() -> Form,
    pub(super) limit: fn(&Config) -> Limit,
    /// Whether the stop waits for a stalled system call, since the process cannot leave it behind.
    pub(super) patient: bool,
    /// The files to which only one output at a time may write.
    pub(super) places: fn(&Config, &Identity) -> Vec<PathBuf>,
    /// Whether a changed configuration that enables the output too needs a new start of it.
    differs: fn(&Config, &Config) -> bool,
    /// Whether a start would fail for a lasting reason, without one.
    pub(super) check: fn(&Config) -> Result<(), OutputError>,
    /// Whether the files can be opened, for an output that begins later.
    pub(super) try_places: fn(&Config, &Identity) -> Result<(), OutputError>,
    pub(super) start: Start,
}

type Start = fn(&Config, &Arc<Identity>, &Arc<Queue>) -> Result<Vec<Worker>, OutputError>;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "stdout",
        enabled: |config| config.stdout_output.enabled,
        form: terminal::form,
        limit: queue_limit,
        patient: false,
        places: |_, _| vec!["/dev/stdout".into()],
        differs: |a, b| a.outputs_queue != b.outputs_queue,
        check: |_| Ok(()),
        try_places: |_, _| Ok(()),
        start: |_, identity, queue| {
            let fd = duplicate_stdout()?;
            stdout::start(fd, terminal::wants_colour(), identity, queue)
        },
    },
    Kind {
        name: "file",
        enabled: |config| config.file_output.enabled,
        form: || Form::Configured,
        limit: |config| Limit {
            lines: config.outputs_queue.capacity,
            bytes: config.sensor.file_output.spool.memory.0,
        },
        patient: true,
        places: |config, identity| {
            let log = identity.expand(&config.file_output.filename);
            let spool = config.sensor.file_output.spool.directory.as_deref();
            let spool = spool
                .zip(log.file_name())
                .map(|(directory, name)| identity.expand(directory).join(name));
            spool.into_iter().chain([log]).collect()
        },
        differs: |a, b| {
            a.file_output != b.file_output
                || a.sensor.file_output != b.sensor.file_output
                || a.outputs_queue != b.outputs_queue
                || a.buffered_outputs != b.buffered_outputs
        },
        check: |_| Ok(()),
        try_places: file::try_to_open,
        start: file::start,
    },
    Kind {
        name: "http",
        enabled: |config| config.http_output.enabled,
        form: || Form::Configured,
        limit: queue_limit,
        patient: false,
        places: |_, _| Vec::new(),
        differs: |a, b| {
            a.http_output != b.http_output
                // The type of the content.
                || a.json_output != b.json_output
                || a.sensor.http_output != b.sensor.http_output
                || a.outputs_queue != b.outputs_queue
        },
        check: http::check,
        try_places: |_, _| Ok(()),
        start: http::start,
    },
    Kind {
        name: "syslog",
        enabled: |config| config.syslog_output.enabled,
        form: || Form::Configured,
        limit: queue_limit,
        patient: false,
        places: |_, _| Vec::new(),
        differs: |a, b| a.sensor.syslog != b.sensor.syslog || a.outputs_queue != b.outputs_queue,
        check: |_| Ok(()),
        try_places: |_, _| Ok(()),
        start: syslog::start,
    },
    Kind {
        name: "program",
        enabled: |config| config.program_output.enabled,
        form: || Form::Configured,
        limit: queue_limit,
        patient: false,
        places: |_, _| Vec::new(),
        // Not for the length of the queue: after the lock-down the sensor starts no more processes.
        differs: |a, b| a.program_output != b.program_output,
        check: program::check,
        try_places: |_, _| Ok(()),
        start: program::start,
    },
];

impl Kind {
    /// Whether another configuration stops the output, starts it, or both.
    pub(super) fn changes(&self, former: Option<&Config>, next: &Config) -> bool {
        let enabled = (self.enabled)(next);
        match former.filter(|former| (self.enabled)(former)) {
            Some(former) => !enabled || (self.differs)(former, next),
            None => enabled,
        }
    }
}

fn queue_limit(config: &Config) -> Limit {
    Limit {
        lines: config.outputs_queue.capacity,
        bytes: QUEUE_BYTES,
    }
}

fn duplicate_stdout() -> Result<OwnedFd, OutputError> {
    rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3).map_err(|error| OutputError::File {
        path: "/dev/stdout".into(),
        source: error.into(),
        hint: "open standard output, or set stdout_output.enabled to false",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_starts_again_where_another_form_of_lines_changes_more_than_the_lines() {
        let mut text = Config::default();
        for enabled in [
            &mut text.stdout_output.enabled,
            &mut text.file_output.enabled,
            &mut text.http_output.enabled,
            &mut text.syslog_output.enabled,
            &mut text.program_output.enabled,
        ] {
            *enabled = true;
        }
        let json = Config {
            json_output: !text.json_output,
            ..text.clone()
        };
        let changed = KINDS.iter().filter(|kind| kind.changes(Some(&text), &json));
        assert_eq!(changed.map(|kind| kind.name).collect::<Vec<_>>(), ["http"]);
    }
}
