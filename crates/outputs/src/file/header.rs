//! The records of the file's writer: the first line of a file, and the last line of a run.

use std::time::SystemTime;

use falco_rules::Priority;
use serde_json::Value;
use telemetry::Identity;

use super::former_run::FormerRun;
use crate::{
    Batch,
    internal::{Record, nanoseconds, utc},
};

/// Name of the record of an orderly stop.
pub(super) const STOP: &str = "Sensor internal: stop";

/// Elastic's `filestream` identifies a file by its first 1,024 bytes and ignores shorter files, so
/// the first line is longer.
const LENGTH: usize = 1200;

/// The facts for the first line of a file.
#[derive(Debug)]
pub(super) struct Beginning<'a> {
    /// Number of the file.
    pub(super) number: u64,
    /// When the file was begun.
    pub(super) created: SystemTime,
    /// Lines that this run has written to earlier files.
    pub(super) lines: u64,
    /// Why a new file begins.
    pub(super) reason: &'static str,
    /// What the file shows about the former run, if this run has just started.
    pub(super) previous: Option<&'a FormerRun>,
    /// Whether this is the first record of the run.
    pub(super) start: bool,
}

impl Beginning<'_> {
    /// The record, longer than 1 KiB; node, boot id, file number and time are near its beginning.
    pub(super) fn batch(&self, identity: &Identity) -> Batch {
        let mut record = self.record(identity);
        let line = record.line(identity);
        if line.len() >= LENGTH {
            return Batch::own(line, record.priority);
        }
        record = record.field("sensor.padding", "");
        let short = record.line(identity).len();
        let padding = ".".repeat(LENGTH.saturating_sub(short));
        record = record.field("sensor.padding", padding);
        Batch::own(record.line(identity), record.priority)
    }

    fn record(&self, identity: &Identity) -> Record {
        let rule = if self.start {
            "Sensor internal: start"
        } else {
            "Sensor internal: rotated"
        };
        let loaded = identity.loaded();
        let message = format!(
            "{rule}. node={} boot={} file={} time={} version={} kernel={} reason={}{}",
            identity.node,
            identity.boot_id,
            self.number,
            utc(self.created),
            identity.version(),
            identity.kernel,
            self.reason,
            self.gap(),
        );
        let mut record = Record::new(rule, Priority::Informational, message);
        record.time = SystemTime::now();
        record = record
            .field("sensor.boot_id", identity.boot_id.as_str())
            .field("sensor.config.digest", loaded.config.as_str())
            .field("sensor.file.created", nanoseconds(self.created))
            .field("sensor.file.number", self.number)
            .field("sensor.file.reason", self.reason)
            .field("sensor.kernel", identity.kernel.as_str())
            .field("sensor.lines", self.lines)
            .field("sensor.node", identity.node.as_str())
            .field("sensor.pid", std::process::id())
            .field("sensor.rules.digest", loaded.rules.as_str())
            .field("sensor.started", nanoseconds(identity.started))
            .field("sensor.version", identity.version());
        if let Some(previous) = self.previous {
            let down = previous.down_seconds(record.time);
            record = record
                .field("sensor.previous.clean", previous.clean)
                .field("sensor.previous.cut", !previous.half.is_empty())
                .field("sensor.previous.down_seconds", down)
                .field("sensor.previous.last_event", previous.last_event)
                .field("sensor.previous.last_line", previous.lines)
                .field("sensor.previous.last_time", previous.last_time.clone());
        }
        record
    }

    /// The text about lines that can be missing since the former run.
    fn gap(&self) -> String {
        let Some(previous) = self.previous else {
            return String::new();
        };
        let how = if previous.clean {
            "stopped"
        } else {
            "ended without a stop record"
        };
        let number = |n: Option<u64>| n.map_or_else(|| "unknown".into(), |n| n.to_string());
        format!(
            " previous: {how}, last line {}, last event {}, at {}",
            number(previous.lines),
            number(previous.last_event),
            previous.last_time.as_deref().unwrap_or("unknown"),
        )
    }
}

/// The record of an orderly stop.
pub(super) fn stop(identity: &Identity, number: u64, lines: u64, dropped: u64) -> Batch {
    let message = format!(
        "{STOP}. node={} lines={lines} dropped={dropped}",
        identity.node
    );
    let record = Record::new(STOP, Priority::Informational, message)
        .field("sensor.boot_id", identity.boot_id.as_str())
        .field("sensor.dropped", dropped)
        .field("sensor.file.number", number)
        .field("sensor.lines", lines)
        .field("sensor.node", Value::from(identity.node.as_str()));
    Batch::own(record.line(identity), record.priority)
}

#[cfg(test)]
mod tests {
    use config::Config;

    use super::*;

    fn beginning(number: u64) -> Beginning<'static> {
        Beginning {
            number,
            created: SystemTime::now(),
            lines: 0,
            reason: "size",
            previous: None,
            start: false,
        }
    }

    fn identity(json: bool) -> Identity {
        Identity::new(&Config {
            json_output: json,
            ..Config::default()
        })
    }

    #[test]
    fn the_first_line_is_longer_than_1024_bytes_in_both_forms() {
        for json in [true, false] {
            let batch = beginning(1).batch(&identity(json));
            assert!(batch.bytes().len() > 1024, "{json}");
            assert_eq!(memchr::memchr_iter(b'\n', batch.bytes()).count(), 1);
        }
    }

    #[test]
    fn the_first_1024_bytes_differ_between_files() {
        let identity = identity(true);
        let [a, b] = [1, 2].map(|number| beginning(number).batch(&identity));
        assert_ne!(a.bytes()[..1024], b.bytes()[..1024]);
    }

    #[test]
    fn the_first_line_is_valid_json() {
        let batch = beginning(3).batch(&identity(true));
        let value: Value = serde_json::from_slice(batch.bytes()).unwrap();
        assert_eq!(value["rule"], "Sensor internal: rotated");
        assert_eq!(value["source"], "internal");
        assert_eq!(value["output_fields"]["sensor.file.number"], 3);
    }
}
