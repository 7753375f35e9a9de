//! What the log file shows about the run that wrote it before.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    time::SystemTime,
};

use memchr::memmem;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Most bytes at the end of a file that are read.
const MOST: u64 = 128 << 20;
/// Text that every record of the file's writer contains.
const OWN: &[u8] = b"\"rule\":\"Sensor internal: ";

/// Beginning and end of an existing log file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct FormerRun {
    /// Number of the file, if the first line has one.
    pub(super) number: Option<u64>,
    /// When the file was begun, from its first line.
    pub(super) created: Option<SystemTime>,
    /// Lines that the former run wrote, if the file still has the beginning of that run.
    pub(super) lines: Option<u64>,
    /// Time of the last line.
    pub(super) last_time: Option<String>,
    /// `evt.num` of the last line, if it has one.
    pub(super) last_event: Option<u64>,
    /// Whether the former run ended with a stop record.
    pub(super) clean: bool,
    /// The cut line at the end, if there is one.
    pub(super) half: Vec<u8>,
    /// The last whole line that is not a record of the writer.
    pub(super) last: Vec<u8>,
}

impl FormerRun {
    /// Reads the beginning and the end of a file.
    pub(super) fn read(file: &File, size: u64) -> io::Result<Self> {
        let mut former = Self::default();
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut line = Vec::new();
        reader.seek(SeekFrom::Start(0))?;
        io::Read::take(&mut reader, 64 << 10).read_until(b'\n', &mut line)?;
        former.first(&line);
        let start = size.saturating_sub(MOST);
        reader.seek(SeekFrom::Start(start))?;
        let own = memmem::Finder::new(OWN);
        let mut skip = start > 0;
        let mut last = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if std::mem::take(&mut skip) {
                continue;
            }
            if line.last() != Some(&b'\n') {
                std::mem::swap(&mut former.half, &mut line);
                break;
            }
            if own.find(&line).is_some() {
                former.own(&line);
            } else {
                former.lines = former.lines.map(|lines| lines + 1);
                former.clean = false;
                std::mem::swap(&mut former.last, &mut line);
            }
            last.clear();
            last.extend_from_slice(if line.is_empty() || own.find(&line).is_none() {
                &former.last
            } else {
                &line
            });
        }
        former.clean &= former.half.is_empty();
        let text = |value: &Value, key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Ok(value) = serde_json::from_slice::<Value>(&last) {
            former.last_time = text(&value, "time");
        }
        if let Ok(value) = serde_json::from_slice::<Value>(&former.last) {
            former.last_event = value["output_fields"]["evt.num"].as_u64();
        }
        Ok(former)
    }

    fn first(&mut self, line: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        let fields = &value["output_fields"];
        self.number = fields["sensor.file.number"].as_u64();
        self.created = fields["sensor.file.created"]
            .as_u64()
            .map(|n| SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(n));
    }

    fn own(&mut self, line: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        if let Some(lines) = value["output_fields"]["sensor.lines"].as_u64() {
            self.lines = Some(lines);
        }
        self.clean = value["rule"] == super::header::STOP;
    }

    /// Whether no line shows when the former run wrote it.
    pub(super) fn is_without_time(&self) -> bool {
        self.last_time.is_none()
    }

    /// This run, with the cut line of a file that the same run had begun afterwards.
    pub(super) fn followed_by(self, begun: Option<Self>) -> Self {
        let half = begun.map(|begun| begun.half).unwrap_or_default();
        Self {
            clean: self.clean && half.is_empty(),
            half,
            ..self
        }
    }

    /// Seconds since the last line was written; none if no line has a time.
    pub(super) fn down_seconds(&self, now: SystemTime) -> Option<f64> {
        let last = OffsetDateTime::parse(self.last_time.as_deref()?, &Rfc3339).ok()?;
        let down = OffsetDateTime::from(now) - last;
        Some(down.as_seconds_f64().max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> FormerRun {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, text).unwrap();
        FormerRun::read(&File::open(&path).unwrap(), text.len() as u64).unwrap()
    }

    const START: &str = concat!(
        r#"{"output_fields":{"sensor.file.created":5000000000,"sensor.file.number":7,"sensor.lines":100},"#,
        r#""rule":"Sensor internal: start","time":"2026-11-21T03:55:38.000000001Z"}"#,
        "\n"
    );
    const EVENT: &str = concat!(
        r#"{"output_fields":{"evt.num":42},"rule":"r","time":"2026-11-21T03:55:39.582871057Z"}"#,
        "\n"
    );
    const STOP: &str = concat!(
        r#"{"output_fields":{"sensor.lines":101},"rule":"Sensor internal: stop","time":"2026-11-21T04:00:00.000000000Z"}"#,
        "\n"
    );

    #[test]
    fn lines_are_counted_on_from_the_last_own_record() {
        let former = read(&format!("{START}{EVENT}{EVENT}"));
        assert_eq!(former.number, Some(7));
        assert_eq!(former.lines, Some(102));
        assert_eq!(former.last_event, Some(42));
        assert!(!former.clean);
        let now = OffsetDateTime::parse("2026-11-21T03:56:39.582871057Z", &Rfc3339).unwrap();
        assert_eq!(former.down_seconds(now.into()), Some(60.0));
    }

    #[test]
    fn a_stop_record_at_the_end_means_an_orderly_stop() {
        assert!(read(&format!("{START}{EVENT}{STOP}")).clean);
        assert!(!read(&format!("{START}{STOP}{EVENT}")).clean);
        let half = read(&format!("{START}{STOP}{{\"a\""));
        assert!(!half.clean);
        assert_eq!(half.half, b"{\"a\"");
    }

    #[test]
    fn a_file_that_no_sensor_wrote_has_no_former_run() {
        let former = read("some text\nmore\n");
        assert_eq!(
            (former.number, former.lines, former.last_time),
            (None, None, None)
        );
        assert_eq!(read(""), FormerRun::default());
    }

    #[test]
    fn an_event_cannot_pass_for_a_record_of_the_writer() {
        let event =
            r#"{"output_fields":{"proc.args":"\"rule\":\"Sensor internal: stop\""},"rule":"r"}"#;
        assert!(!read(&format!("{START}{event}\n")).clean);
    }
}
