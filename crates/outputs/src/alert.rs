//! An event and the rule that it matched → one line, as JSON or as text, in Falco's form.
//!
//! The parts that do not depend on the event (names, tags, the order of the keys) are built once,
//! when the rules are loaded.

use std::io;

use falco_rules::{Buffer, ExtraField, Rule, Source, TimeForm, Timed, Value, write_time};

/// How alerts are written; the members have the names of keys in `falco.yaml`.
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

/// Where the value of a key of `output_fields` comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
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
    /// `{"hostname":…`.
    head: Vec<u8>,
    /// `"key":` and where its value comes from, sorted by key.
    keys: Vec<(Vec<u8>, Origin)>,
    /// `,"priority":…,"rule":…,"source":…,"tags":…,"time":"`.
    tail: Vec<u8>,
    /// `: Priority `, which follows the time.
    prefix: Vec<u8>,
}

/// Buffers that every alert uses again.
#[derive(Debug, Default)]
pub struct AlertScratch {
    text: Vec<u8>,
}

impl AlertFormat {
    /// The form of the alerts of a rule, on a host with that name.
    #[must_use]
    pub fn new<S: Source>(rule: &Rule<S>, options: AlertOptions, hostname: &str) -> Self {
        let time_key = if options.iso_time {
            "evt.time.iso8601"
        } else {
            "evt.time"
        };
        let mut keys: Vec<(&str, Origin)> = vec![(time_key, Origin::Time)];
        let extra = rule.extra.iter().enumerate();
        keys.extend(extra.map(|(i, field)| (field.key(), Origin::Extra(i))));
        let output = rule.output.fields().iter().enumerate();
        keys.extend(output.map(|(i, field)| (&*field.key, Origin::Output(i))));
        keys.sort_by_key(|(key, _)| *key);
        keys.dedup_by_key(|(key, _)| *key);
        let keys = keys
            .into_iter()
            .map(|(key, origin)| {
                let mut name = Vec::new();
                write_str(&mut name, key);
                name.push(b':');
                (name, origin)
            })
            .collect();
        let mut head = b"{\"hostname\":".to_vec();
        write_str(&mut head, hostname);
        let mut tail = b",\"priority\":".to_vec();
        write_str(&mut tail, rule.priority.as_str());
        tail.extend_from_slice(b",\"rule\":");
        write_str(&mut tail, &rule.name);
        tail.extend_from_slice(b",\"source\":");
        write_str(&mut tail, S::NAME);
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
            head,
            keys,
            tail,
            prefix: format!(": {} ", rule.priority.as_str()).into_bytes(),
        }
    }

    /// Appends the alert of an event that matched the rule, newline included.
    pub fn write<'e, S: Timed>(
        &self,
        rule: &Rule<S>,
        event: &'e S::Event<'e>,
        scratch: &mut AlertScratch,
        out: &mut impl Buffer,
    ) {
        let (time, values) = (S::time(event), rule.output.values(event));
        if !self.options.json {
            self.write_prefix(time, out);
            rule.output.render_values(values, event, out);
            out.append_byte(b'\n');
            return;
        }
        out.append(&self.head);
        if self.options.include_output || self.options.include_message {
            let text = &mut scratch.text;
            text.clear();
            self.write_prefix(time, text);
            let message = text.len();
            rule.output.render_values(values, event, text);
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
            for (i, (key, origin)) in self.keys.iter().enumerate() {
                if i > 0 {
                    out.append_byte(b',');
                }
                out.append(key);
                match origin {
                    Origin::Time => write_number(out, time),
                    Origin::Output(index) => {
                        write_value(out, values.get(*index).unwrap_or(&Value::Absent));
                    }
                    Origin::Extra(index) => {
                        write_extra(out, rule.extra.get(*index), event, &mut scratch.text);
                    }
                }
            }
            out.append_byte(b'}');
        }
        out.append(&self.tail);
        write_time(out, time, TimeForm::Iso8601);
        out.truncate(out.len() - "+0000".len());
        out.append(b"Z\"}\n");
    }

    fn write_prefix(&self, time: u64, out: &mut impl Buffer) {
        let form = if self.options.iso_time {
            TimeForm::Iso8601
        } else {
            TimeForm::Clock
        };
        write_time(out, time, form);
        out.append(&self.prefix);
    }
}

fn write_extra<'e, S: Source>(
    out: &mut impl Buffer,
    extra: Option<&ExtraField<S>>,
    event: &'e S::Event<'e>,
    text: &mut Vec<u8>,
) {
    match extra {
        Some(ExtraField::Field(field)) => write_value(out, &field.output(event)),
        Some(ExtraField::Text(_, template)) => {
            text.clear();
            template.render(event, text);
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

/// Appends a string as JSON. Nearly no string has a byte to escape, and one check of the whole
/// string is much faster than a search. A write to a buffer cannot fail.
fn write_str(out: &mut impl Buffer, text: &str) {
    if text.as_bytes().chunks(32).any(is_to_be_escaped) {
        let _ = serde_json::to_writer(Escaped(out), text);
        return;
    }
    out.append_byte(b'"');
    out.append(text.as_bytes());
    out.append_byte(b'"');
}

/// A buffer that escapes every piece that is written into it.
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

/// Whether any byte has to be escaped. Checks all bytes without an early return, so that the
/// compiler can check many at once.
fn is_to_be_escaped(bytes: &[u8]) -> bool {
    let is = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    bytes.iter().fold(false, |any, byte| any | is(*byte))
}

/// The same for bytes that are valid UTF-8, as every rendered value is.
fn write_bytes(out: &mut impl Buffer, text: &[u8]) {
    match std::str::from_utf8(text) {
        Ok(text) => write_str(out, text),
        Err(_) => write_str(out, &String::from_utf8_lossy(text)),
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use falco_rules::{Field, Options, RuleFile, Scratch, Type, compile};

    use super::*;

    /// A source of the tests: requests to an API.
    #[derive(Clone, Copy, Debug)]
    enum Requests {}

    struct Request<'e> {
        verb: &'e str,
        time: u64,
        arena: &'e Bump,
    }

    static FIELDS: &[Field<Requests>] = &[Field::new(
        "ka.verb",
        Type::String,
        (),
        "What was asked for.",
        |request, _| Value::Str(request.verb),
    )];

    impl Source for Requests {
        const NAME: &'static str = "k8s_audit";
        type Event<'e> = Request<'e>;
        type Needs = ();

        fn arena<'e>(request: &'e Request<'e>) -> &'e Bump {
            request.arena
        }

        fn fields() -> impl Iterator<Item = &'static Field<Self>> {
            FIELDS.iter()
        }
    }

    impl Timed for Requests {
        fn time(request: &Request<'_>) -> u64 {
            request.time
        }
    }

    /// The alert of a request.
    fn alert(options: AlertOptions) -> String {
        let rules = "- {rule: Deleted, desc: d, condition: ka.verb = delete, output: 'verb=%ka.verb', \
                     priority: INFO, source: k8s_audit, tags: [k8s]}";
        let files = [RuleFile::new("rules.yaml", rules)];
        let set = compile::<Requests>(&files, &Options::default())
            .set
            .unwrap();
        let arena = Bump::new();
        let request = Request {
            verb: "delete",
            time: 1_795_233_338_582_871_057,
            arena: &arena,
        };
        let mut line = Vec::new();
        set.evaluate(&mut Scratch::default(), &request, &mut |rule| {
            let format = AlertFormat::new(rule, options, "n\"1");
            format.write(rule, &request, &mut AlertScratch::default(), &mut line);
        });
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn events_of_any_source_are_written_under_its_name() {
        let options = AlertOptions {
            iso_time: true,
            include_message: true,
            ..AlertOptions::default()
        };
        assert_eq!(
            alert(options),
            concat!(
                r#"{"hostname":"n\"1","message":"verb=delete","#,
                r#""output":"2026-11-21T03:55:38.582871057+0000: Informational verb=delete","#,
                r#""output_fields":{"evt.time.iso8601":1795233338582871057,"ka.verb":"delete"},"#,
                r#""priority":"Informational","rule":"Deleted","source":"k8s_audit","tags":["k8s"],"#,
                r#""time":"2026-11-21T03:55:38.582871057Z"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_alert_as_text_is_its_time_its_priority_and_its_output() {
        let options = AlertOptions {
            json: false,
            iso_time: true,
            ..AlertOptions::default()
        };
        assert_eq!(
            alert(options),
            "2026-11-21T03:55:38.582871057+0000: Informational verb=delete\n"
        );
    }

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
