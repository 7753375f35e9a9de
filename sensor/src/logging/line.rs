//! The form of an event as a line.

use std::{error::Error, fmt, fmt::Write as _, time::SystemTime};

use config::{LogFormat, priority_of};
use falco_rules::Priority;
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use tracing::{
    Event, Metadata,
    field::{Field, Visit},
};

use super::level;

/// An event as the log writes it, in parts.
#[derive(Debug)]
pub(super) struct Line {
    time: SystemTime,
    pub(super) priority: Priority,
    /// The whole line for JSON; for text, the part behind time and priority.
    pub(super) body: String,
    format: LogFormat,
}

impl Line {
    /// Formats an event. `metadata` are the event's own, also for an event of the crate `log`.
    pub(super) fn new(
        format: LogFormat,
        time: SystemTime,
        metadata: &Metadata<'_>,
        event: &Event<'_>,
    ) -> Self {
        Self {
            time,
            priority: priority_of(*metadata.level()),
            body: match format {
                LogFormat::Text => text(metadata, event),
                LogFormat::Json => json(time, metadata, event),
            },
            format,
        }
    }

    /// The whole line with its newline, as standard error gets it: `2026-11-21T05:01:46+0000:
    /// Warning: message name=value`, or a JSON object.
    pub(super) fn whole(&self) -> String {
        match self.format {
            LogFormat::Text => format!(
                "{}+0000: {}: {}\n",
                seconds(self.time.into()),
                self.priority,
                self.body
            ),
            LogFormat::Json => format!("{}\n", self.body),
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SS`
fn seconds(t: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
    )
}

/// `message name=value`; for a library, the library's target stands before the message.
fn text(metadata: &Metadata<'_>, event: &Event<'_>) -> String {
    let mut text = String::new();
    if !level::is_own(metadata.target()) {
        text += metadata.target();
        text += ": ";
    }
    event.record(&mut Text(&mut text));
    text
}

fn json(time: SystemTime, metadata: &Metadata<'_>, event: &Event<'_>) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: String,
        level: &'static str,
        target: &'a str,
        message: String,
        #[serde(skip_serializing_if = "Map::is_empty")]
        fields: Map<String, Value>,
    }
    let t = OffsetDateTime::from(time);
    let mut parts = Parts::default();
    event.record(&mut parts);
    let line = Line {
        time: format!("{}.{:09}Z", seconds(t), t.nanosecond()),
        level: priority_of(*metadata.level()).as_str(),
        target: metadata.target(),
        message: parts.message,
        fields: parts.fields,
    };
    // All parts are texts, numbers or maps with texts as keys, which JSON can express.
    serde_json::to_string(&line).unwrap_or_default()
}

/// Whether a field of an event of the crate `log` only says where in the code the event arose.
fn is_place(field: &Field) -> bool {
    field.name().starts_with("log.")
}

/// Writes an event's message and its fields in their order; the message is first.
struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail. The formatting of a value may fail, and then the value
        // ends there.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            _ if is_place(field) => Ok(()),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Collects the parts of an event.
#[derive(Default)]
struct Parts {
    message: String,
    fields: Map<String, Value>,
}

impl Parts {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        if !is_place(field) {
            self.fields.insert(field.name().into(), value.into());
        }
    }
}

impl Visit for Parts {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // As in text, a value whose formatting fails ends there.
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put(field, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tracing::{error, info, warn};
    use tracing_log::NormalizeEvent as _;
    use tracing_subscriber::{
        Layer, Registry,
        layer::{Context, SubscriberExt as _},
    };

    use super::*;

    /// Collects the lines of all events.
    struct Lines(LogFormat, Arc<Mutex<Vec<String>>>);

    impl Layer<Registry> for Lines {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, Registry>) {
            let normalized = event.normalized_metadata();
            let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_795_233_338_000_000_042);
            let line = Line::new(self.0, time, metadata, event);
            self.1.lock().unwrap().push(line.whole());
        }
    }

    fn lines(format: LogFormat, make: impl FnOnce()) -> Vec<String> {
        let lines = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Lines(format, Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, make);
        let mut lines = lines.lock().unwrap();
        std::mem::take(&mut *lines)
    }

    #[test]
    fn a_line_of_text_has_time_priority_and_message() {
        let lines = lines(LogFormat::Text, || {
            let what = "rules";
            info!("{what} loaded");
            warn!("may be wrong");
            error!("is wrong");
        });
        let expected = [
            "2026-11-21T03:55:38+0000: Informational: rules loaded\n",
            "2026-11-21T03:55:38+0000: Warning: may be wrong\n",
            "2026-11-21T03:55:38+0000: Error: is wrong\n",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_line_of_a_library_has_its_target_and_its_fields_too() {
        let lines = lines(LogFormat::Text, || {
            warn!(target: "kube_client::client", code = 410, reason = "Gone", "watch ended");
        });
        let expected = "2026-11-21T03:55:38+0000: Warning: kube_client::client: watch ended \
                        code=410 reason=\"Gone\"\n";
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn a_line_of_json_is_one_object_with_fields_only_where_there_are_any() {
        let lines = lines(LogFormat::Json, || {
            let wrong = std::io::Error::other("too\nlate");
            let error: &dyn Error = &wrong;
            warn!(target: "h2::client", n = 3_u64, late = true, error, what = ?(1, 2), "a \"frame\"");
            info!("plain");
        });
        assert_eq!(
            lines[0],
            "{\"time\":\"2026-11-21T03:55:38.000000042Z\",\"level\":\"Warning\",\"target\":\"h2::client\",\
             \"message\":\"a \\\"frame\\\"\",\"fields\":{\"n\":3,\"late\":true,\"error\":\"too\\nlate\",\
             \"what\":\"(1, 2)\"}}\n"
        );
        assert_eq!(
            lines[1],
            "{\"time\":\"2026-11-21T03:55:38.000000042Z\",\"level\":\"Informational\",\
             \"target\":\"sensor::logging::line::tests\",\"message\":\"plain\"}\n"
        );
    }

    #[test]
    fn a_record_of_the_crate_log_has_its_own_target() {
        let lines = lines(LogFormat::Text, || {
            let record = log::Record::builder()
                .target("rustls::conn")
                .level(log::Level::Warn)
                .args(format_args!("sending fatal alert"))
                .build();
            tracing_log::format_trace(&record).unwrap();
        });
        let expected = "2026-11-21T03:55:38+0000: Warning: rustls::conn: sending fatal alert\n";
        assert_eq!(lines, [expected]);
    }
}
