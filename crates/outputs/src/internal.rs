//! Records that the sensor makes about itself: source `internal`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use falco_rules::Priority;
use serde_json::Value;
use telemetry::Identity;
use time::OffsetDateTime;

use super::Gap;

/// A record about the sensor itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The name in place of a rule's name.
    pub rule: &'static str,
    /// Priority of the record.
    pub priority: Priority,
    /// Time of the record.
    pub time: SystemTime,
    /// The message.
    pub message: String,
    /// The fields of the record.
    pub fields: BTreeMap<String, Value>,
}

impl Record {
    /// A record with the current time and without fields.
    #[must_use]
    pub fn new(rule: &'static str, priority: Priority, message: impl Into<String>) -> Self {
        Self {
            rule,
            priority,
            time: SystemTime::now(),
            message: message.into(),
            fields: BTreeMap::new(),
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The announcement of an output that lines are missing at this place.
    #[must_use]
    pub fn gap(output: &str, gap: Gap) -> Self {
        let message = format!(
            "Sensor internal: output drop. {} lines are missing here: output {output} was stalled and its spool full.",
            gap.lines
        );
        Self::new("Sensor internal: output drop", Priority::Critical, message)
            .field("sensor.output.name", output)
            .field("sensor.output.dropped", gap.lines)
            .field("sensor.output.since", nanoseconds(gap.since))
    }

    /// The line, in the form that the configuration asks for, newline included.
    #[must_use]
    pub fn line(&self, identity: &Identity) -> Vec<u8> {
        self.written(identity).line(identity)
    }

    /// The record in both forms.
    #[must_use]
    pub fn written(&self, identity: &Identity) -> Written {
        Written {
            priority: self.priority,
            time: self.time,
            json: self.json(identity),
            text: self.after_the_time(),
        }
    }

    fn json(&self, identity: &Identity) -> String {
        let keys: BTreeMap<&str, Value> = [
            ("hostname", identity.hostname.clone().into()),
            ("output", self.message.clone().into()),
            ("output_fields", self.fields.clone().into_iter().collect()),
            ("priority", self.priority.as_str().into()),
            ("rule", self.rule.into()),
            ("source", "internal".into()),
            ("time", utc(self.time).into()),
        ]
        .into();
        // A map of strings and numbers cannot fail to be written.
        serde_json::to_string(&keys).unwrap_or_default()
    }

    /// `TIME: Priority MESSAGE (k=v …)`
    #[must_use]
    pub fn text(&self, identity: &Identity) -> String {
        format!("{}: {}", clock(self.time, identity), self.after_the_time())
    }

    fn after_the_time(&self) -> String {
        let mut line = format!("{} {}", self.priority, self.message);
        for (i, (key, value)) in self.fields.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(line, "{}{key}={value}", if i == 0 { " (" } else { " " });
        }
        if !self.fields.is_empty() {
            line.push(')');
        }
        line
    }
}

/// A record in both forms of lines, from which a replay makes the line again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Priority of the record.
    pub priority: Priority,
    /// Time of the record.
    pub time: SystemTime,
    /// The line in JSON.
    pub json: String,
    /// The line in text, after the time.
    pub text: String,
}

impl Written {
    /// The line, in the form that the configuration asks for, newline included.
    #[must_use]
    pub fn line(&self, identity: &Identity) -> Vec<u8> {
        let line = if identity.loaded().json {
            self.json.clone()
        } else {
            format!("{}: {}", clock(self.time, identity), self.text)
        };
        let mut line = line.into_bytes();
        // No text from outside may break a line in two.
        line.iter_mut()
            .filter(|b| **b == b'\n')
            .for_each(|b| *b = b' ');
        line.push(b'\n');
        line
    }
}

/// Nanoseconds since the epoch.
#[must_use]
pub fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`
#[must_use]
pub fn utc(time: SystemTime) -> String {
    let t = OffsetDateTime::from(time);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.nanosecond()
    )
}

/// The time in the form at the beginning of a text line.
fn clock(time: SystemTime, identity: &Identity) -> String {
    if identity.loaded().iso8601 {
        let mut text = utc(time);
        text.pop();
        return text + "+0000";
    }
    let t = OffsetDateTime::from(time).to_offset(identity.offset);
    format!(
        "{:02}:{:02}:{:02}.{:09}",
        t.hour(),
        t.minute(),
        t.second(),
        t.nanosecond()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use config::Config;
    use telemetry::Loaded;

    use super::*;

    fn record() -> Record {
        let mut record = Record::new("Falco internal: test", Priority::Debug, "a\nb")
            .field("n_drops", "1")
            .field("a", 2);
        record.time = UNIX_EPOCH + Duration::from_nanos(1_795_233_338_582_871_057);
        record
    }

    fn identity(json: bool) -> Identity {
        let mut config = Config {
            json_output: json,
            ..Config::default()
        };
        config.sensor.hostname = Some("n1".into());
        let mut identity = Identity::new(&config);
        identity.offset = time::UtcOffset::UTC;
        identity
    }

    #[test]
    fn json_has_falcos_keys_in_falcos_order() {
        assert_eq!(
            String::from_utf8(record().line(&identity(true))).unwrap(),
            concat!(
                r#"{"hostname":"n1","output":"a\nb","output_fields":{"a":2,"n_drops":"1"},"#,
                r#""priority":"Debug","rule":"Falco internal: test","source":"internal","#,
                r#""time":"2026-11-21T03:55:38.582871057Z"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn text_is_one_line_with_the_fields_in_brackets() {
        assert_eq!(
            String::from_utf8(record().line(&identity(false))).unwrap(),
            "03:55:38.582871057: Debug a b (a=2 n_drops=\"1\")\n"
        );
    }

    #[test]
    fn records_have_the_form_of_the_configuration_that_was_loaded_last() {
        let identity = identity(true);
        let start = |identity: &Identity| {
            let line = String::from_utf8(record().line(identity)).unwrap();
            line[..10].to_owned()
        };
        assert_eq!(start(&identity), r#"{"hostname"#);
        let mut config = Config::default();
        for (iso8601, text) in [(false, "03:55:38.5"), (true, "2026-11-21")] {
            config.json_output = false;
            config.time_format_iso_8601 = iso8601;
            identity.set_loaded(Loaded::new(&config, "", ""));
            assert_eq!(start(&identity), text);
        }
    }

    #[test]
    fn text_has_iso_8601_if_configured() {
        let config = Config {
            time_format_iso_8601: true,
            ..Config::default()
        };
        assert!(
            record()
                .text(&Identity::new(&config))
                .starts_with("2026-11-21T03:55:38.582871057+0000: Debug")
        );
    }
}
