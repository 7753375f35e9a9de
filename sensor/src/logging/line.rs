//! What an event looks like as a line.

use std::{fmt, fmt::Write as _, time::SystemTime};

use time::OffsetDateTime;
use tracing::{
    Event, Metadata,
    field::{Field, Visit},
};

use super::level;

/// `2026-11-21T05:01:46+0000: Warning: message name=value`; before the message of a library
/// stands the library's target.
pub(super) fn text(time: SystemTime, metadata: &Metadata<'_>, event: &Event<'_>) -> String {
    let t = OffsetDateTime::from(time);
    let mut line = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+0000: {}: ",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        level::priority(*metadata.level()),
    );
    if !metadata.target().starts_with(level::OWN) {
        line += metadata.target();
        line += ": ";
    }
    event.record(&mut Text(&mut line));
    line.push('\n');
    line
}

/// Whether a field of an event of the crate `log` only says where the event was made.
fn is_place(field: &Field) -> bool {
    field.name().starts_with("log.")
}

/// Writes an event's message and its fields, in their order: the message is the first.
struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail; what a value makes of itself may, and ends there.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            _ if is_place(field) => Ok(()),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
