//! A rule that matched → one line, as JSON or as text, Falco's way.
//!
//! What does not depend on the event (names, tags, the order of the keys) is
//! put together once, when the rules are loaded.

use std::io;

use falco_rules::Buffer;

use crate::{
    fields::{Context, TimeForm, Value, write_time},
    rules::{ExtraField, Rule},
};

/// How alerts are written; falco.yaml's keys of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of falco.yaml"
)]
pub struct AlertOptions {
    /// `json_output`.
    pub json: bool,
    /// `json_include_output_property`.
    pub include_output: bool,
    /// `json_include_message_property`.
    pub include_message: bool,
    /// `json_include_output_fields_property`.
    pub include_output_fields: bool,
    /// `json_include_tags_property`.
    pub include_tags: bool,
    /// `time_format_iso_8601`.
    pub iso_time: bool,
}

impl Default for AlertOptions {
    fn default() -> Self {
        Self {
            json: true,
            include_output: true,
            include_message: false,
            include_output_fields: true,
            include_tags: true,
            iso_time: false,
        }
    }
}

/// What is the value of a key of `output_fields`.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The field of the rule's output with that index.
    Output(usize),
    /// The extra field of the rule with that index.
    Extra(usize),
    /// The time of the event.
    Time,
}

/// The form of one rule's alerts.
#[derive(Debug)]
pub struct AlertFormat {
    options: AlertOptions,
    /// `"key":` and where its value comes from, sorted by key.
    keys: Vec<(Vec<u8>, Source)>,
    /// `,"priority":…,"rule":…,"source":…,"tags":…,"time":"`.
    tail: Vec<u8>,
    /// `: Priority `, which follows the time.
    prefix: Vec<u8>,
}

/// Buffers that are used again for each alert.
#[derive(Debug, Default)]
pub struct AlertScratch {
    text: Vec<u8>,
}

impl AlertFormat {
    /// The form of a rule's alerts.
    #[must_use]
    pub fn new(rule: &Rule, options: AlertOptions) -> Self {
        let time_key = if options.iso_time {
            "evt.time.iso8601"
        } else {
            "evt.time"
        };
        let mut keys: Vec<(&str, Source)> = vec![(time_key, Source::Time)];
        let extra = rule.extra.iter().enumerate();
        keys.extend(extra.map(|(i, field)| (field.key(), Source::Extra(i))));
        let output = rule.output.fields().iter().enumerate();
        keys.extend(output.map(|(i, field)| (&*field.key, Source::Output(i))));
        keys.sort_by_key(|(key, _)| *key);
        keys.dedup_by_key(|(key, _)| *key);
        let keys = keys
            .into_iter()
            .map(|(key, source)| {
                let mut name = Vec::new();
                write_str(&mut name, key);
                name.push(b':');
                (name, source)
            })
            .collect();
        let mut tail = b",\"priority\":".to_vec();
        write_str(&mut tail, rule.priority.as_str());
        tail.extend_from_slice(b",\"rule\":");
        write_str(&mut tail, &rule.name);
        tail.extend_from_slice(b",\"source\":");
        write_str(&mut tail, &rule.source);
        if options.include_tags {
            tail.extend_from_slice(b",\"tags\":[");
            for (i, tag) in rule.tags.iter().enumerate() {
                if i > 0 {
                    tail.push(b',');
                }
                write_str(&mut tail, tag);
            }
            tail.push(b']');
        }
        tail.extend_from_slice(b",\"time\":\"");
        Self {
            options,
            keys,
            tail,
            prefix: format!(": {} ", rule.priority.as_str()).into_bytes(),
        }
    }

    /// Appends the alert of an event, with its newline.
    pub fn write<'a>(
        &self,
        rule: &Rule,
        context: &'a Context<'a>,
        scratch: &mut AlertScratch,
        out: &mut impl Buffer,
    ) {
        let values = rule.output.values(context);
        if !self.options.json {
            self.write_prefix(context, out);
            rule.output.render_values(values, context, out);
            out.append_byte(b'\n');
            return;
        }
        out.append(b"{\"hostname\":");
        write_str(out, context.hostname);
        if self.options.include_output || self.options.include_message {
            let text = &mut scratch.text;
            text.clear();
            self.write_prefix(context, text);
            let message = text.len();
            rule.output.render_values(values, context, text);
            if self.options.include_message {
                out.append(b",\"message\":");
                write_bytes(out, &text[message..]);
            }
            if self.options.include_output {
                out.append(b",\"output\":");
                write_bytes(out, text);
            }
        }
        if self.options.include_output_fields {
            out.append(b",\"output_fields\":{");
            for (i, (key, source)) in self.keys.iter().enumerate() {
                if i > 0 {
                    out.append_byte(b',');
                }
                out.append(key);
                match source {
                    Source::Time => write_number(out, context.time),
                    Source::Output(index) => {
                        write_value(out, values.get(*index).unwrap_or(&Value::Absent));
                    }
                    Source::Extra(index) => {
                        write_extra(out, rule.extra.get(*index), context, &mut scratch.text);
                    }
                }
            }
            out.append_byte(b'}');
        }
        out.append(&self.tail);
        write_time(out, context.time, TimeForm::Iso8601);
        out.truncate(out.len() - "+0000".len());
        out.append(b"Z\"}\n");
    }

    fn write_prefix(&self, context: &Context<'_>, out: &mut impl Buffer) {
        let form = if self.options.iso_time {
            TimeForm::Iso8601
        } else {
            TimeForm::Clock
        };
        write_time(out, context.time, form);
        out.append(&self.prefix);
    }
}

fn write_extra<'a>(
    out: &mut impl Buffer,
    extra: Option<&ExtraField>,
    context: &'a Context<'a>,
    text: &mut Vec<u8>,
) {
    match extra {
        Some(ExtraField::Field(field)) => write_value(out, &field.output(context)),
        Some(ExtraField::Text(_, template)) => {
            text.clear();
            template.render(context, text);
            write_bytes(out, text);
        }
        None => write_value(out, &Value::Absent),
    }
}

/// Appends a value as JSON. A list is an array.
fn write_value(out: &mut impl Buffer, value: &Value<'_>) {
    match *value {
        Value::Absent => out.append(b"null"),
        Value::Bool(true) => out.append(b"true"),
        Value::Bool(false) => out.append(b"false"),
        Value::Int(_) | Value::Uint(_) => value.write_text(out),
        Value::Time(time, _) => write_number(out, time),
        Value::Str(text) => write_str(out, text),
        Value::Ip(_) => {
            out.append_byte(b'"');
            value.write_text(out);
            out.append_byte(b'"');
        }
        Value::List(values) => {
            out.append_byte(b'[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.append_byte(b',');
                }
                write_value(out, value);
            }
            out.append_byte(b']');
        }
    }
}

fn write_number(out: &mut impl Buffer, number: u64) {
    Value::Uint(number).write_text(out);
}

/// Appends a string as JSON. Nearly none has anything to be escaped, and to see
/// that is much faster than to look for what. A buffer takes whatever comes.
fn write_str(out: &mut impl Buffer, text: &str) {
    if text.as_bytes().chunks(32).any(is_to_be_escaped) {
        let _ = serde_json::to_writer(Escaped(out), text);
        return;
    }
    out.append_byte(b'"');
    out.append(text.as_bytes());
    out.append_byte(b'"');
}

/// A buffer for what writes in pieces.
struct Escaped<'a, B>(&'a mut B);

impl<B: Buffer> io::Write for Escaped<'_, B> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a byte has to be escaped. Looks at all of them, so that it can be done
/// at once for many.
fn is_to_be_escaped(bytes: &[u8]) -> bool {
    let is = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    bytes.iter().fold(false, |any, byte| any | is(*byte))
}

/// The same of bytes that are text, as everything rendered is.
fn write_bytes(out: &mut impl Buffer, text: &[u8]) {
    match std::str::from_utf8(text) {
        Ok(text) => write_str(out, text),
        Err(_) => write_str(out, &String::from_utf8_lossy(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_wherever_it_is_needed() {
        for hole in ["", "\"", "\\", "\n", "\0", "\u{1f}", "\u{7f}", "é", "€ \t"] {
            for at in [0, 1, 31, 32, 33, 70] {
                let text = format!("{}{hole}{}", "x".repeat(at), "y".repeat(40));
                let mut out = Vec::new();
                write_str(&mut out, &text);
                assert_eq!(out, serde_json::to_vec(&text).unwrap(), "{text:?}");
            }
        }
    }
}
