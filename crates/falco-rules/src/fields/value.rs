//! Values of fields.

use std::net::IpAddr;

/// A value of a field, for one event.
///
/// Strings are sanitised (see [`crate::sanitize()`]) and borrow from the event, from a cache or
/// from the event's arena.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not available: `null` in JSON, `<NA>` in text, false in every comparison.
    Absent,
    /// A truth value.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A number that can exceed `i64`, or is never negative.
    Uint(u64),
    /// Text; empty text is a value.
    Str(&'a str),
    /// An address; text in JSON.
    Ip(IpAddr),
    /// Nanoseconds since the epoch: a number in JSON, see [`TimeForm`] for text.
    Time(u64, TimeForm),
    /// Any of these values: a field without index in a condition (`proc.aname`, `fd.ip`). In an
    /// output the elements are joined by blanks.
    List(&'a [Value<'a>]),
}

/// How a time prints as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeForm {
    /// `HH:MM:SS.nnnnnnnnn`, local time: `evt.time`.
    Clock,
    /// `HH:MM:SS`: `evt.time.s`.
    ClockSeconds,
    /// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000`: `evt.time.iso8601`.
    Iso8601,
    /// `YYYY-MM-DD HH:MM:SS.nnnnnnnnn`: `evt.datetime`.
    DateTime,
    /// `YYYY-MM-DD HH:MM:SS`: `evt.datetime.s`.
    DateTimeSeconds,
    /// The number: `evt.rawtime`.
    Raw,
}

impl Value<'_> {
    /// Whether it is [`Value::Absent`].
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// The type of a field, which decides with which constants it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Int`] or [`Value::Uint`].
    Number,
    /// [`Value::Str`].
    String,
    /// [`Value::Ip`], and networks on the right-hand side.
    Ip,
    /// [`Value::Ip`] that is compared with networks (`fd.net`, `fd.snet`).
    Net,
    /// [`Value::Time`].
    Time,
}
