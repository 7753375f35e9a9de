//! One event as a row: what each column shows, and every field for the details.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::text::escape;

/// Most ancestors that a row names after the process.
const ANCESTORS: usize = 3;

/// One event on the screen. All texts are escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// `HH:MM:SS.mmm` (UTC).
    pub time: String,
    /// `namespace/pod`, the container, or the host's name.
    pub place: String,
    /// Short id of the container, or `host`.
    pub container: String,
    /// Name of the user, or its number.
    pub user: String,
    /// The process and its ancestors: `bash←sshd`.
    pub process: String,
    /// The command line.
    pub command: String,
    /// Address and port to which the process connects, or another name of the descriptor.
    pub destination: String,
    /// The rule that wrote the line.
    pub rule: String,
    /// Path of the program's file, or the program's name.
    pub program: String,
    /// Process id on the host.
    pub pid: Option<i64>,
    /// Process id of the parent on the host.
    pub parent: Option<i64>,
    /// Whether the event is an exec.
    pub is_exec: bool,
    /// Every field of the event with a value, and its value.
    pub fields: Vec<(String, String)>,
}

impl Row {
    /// The time to the second.
    pub(super) fn clock(&self) -> &str {
        self.time.split('.').next().unwrap_or_default()
    }

    /// The row of a line: an object of a sensor or of Falco, or an object with fields only.
    #[must_use]
    pub fn of(line: &Map<String, Value>) -> Self {
        let no_fields = Map::new();
        let (fields, outer) = match line.get("output_fields") {
            Some(Value::Object(fields)) => (fields, line),
            _ => (line, &no_fields),
        };
        let text = |name: &str| fields.get(name).and_then(shown);
        let of_line = |name: &str| outer.get(name).and_then(shown);
        let first = |names: &[&str]| names.iter().find_map(|name| text(name));
        let kind = text("evt.type");
        Self {
            time: moment(outer, fields),
            place: place(&text)
                .or_else(|| of_line("hostname"))
                .unwrap_or_else(|| "host".into()),
            container: text("container.id").unwrap_or_default(),
            user: first(&["user.name", "user.uid"]).unwrap_or_default(),
            process: process(&text),
            command: first(&["proc.cmdline", "proc.exeline", "proc.args"]).unwrap_or_default(),
            destination: destination(&text),
            // The rule of the filter is nobody's.
            rule: of_line("rule")
                .filter(|rule| rule != super::filter::NAME)
                .unwrap_or_default(),
            program: first(&["proc.exepath", "proc.exe", "proc.name"]).unwrap_or_default(),
            pid: number(fields, "proc.pid"),
            parent: number(fields, "proc.ppid"),
            is_exec: kind.map_or(!fields.contains_key("fd.name"), |kind| {
                kind.starts_with("execve")
            }),
            fields: all(outer, fields),
        }
    }
}

/// The value of a field as escaped text; none if the event has no value.
fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => escape(text),
        other => escape(&other.to_string()),
    };
    (!text.is_empty() && text != "<NA>").then_some(text)
}

fn number(fields: &Map<String, Value>, name: &str) -> Option<i64> {
    match fields.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn moment(outer: &Map<String, Value>, fields: &Map<String, Value>) -> String {
    // 2026-01-31T12:34:56.123456789Z
    let written = outer.get("time").and_then(Value::as_str);
    let clock = written
        .and_then(|time| time.split_once('T'))
        .map(|(_, clock)| clock);
    if let Some(clock) = clock {
        return escape(clock.get(..12).unwrap_or(clock));
    }
    let nanoseconds = number(fields, "evt.time").or_else(|| number(fields, "evt.rawtime"));
    let at =
        nanoseconds.and_then(|time| OffsetDateTime::from_unix_timestamp_nanos(time.into()).ok());
    at.map_or_else(String::new, |at| {
        let (hour, minute, second, milli) = at.time().as_hms_milli();
        format!("{hour:02}:{minute:02}:{second:02}.{milli:03}")
    })
}

fn place(text: &impl Fn(&str) -> Option<String>) -> Option<String> {
    match (text("k8s.ns.name"), text("k8s.pod.name")) {
        (Some(namespace), Some(pod)) => Some(format!("{namespace}/{pod}")),
        (None, Some(pod)) => Some(pod),
        _ => {
            let name = text("container.name").or_else(|| text("container.id"))?;
            (name != "host").then_some(name)
        }
    }
}

fn process(text: &impl Fn(&str) -> Option<String>) -> String {
    let mut names: Vec<_> = text("proc.name").into_iter().collect();
    names.extend(text("proc.pname").or_else(|| text("proc.aname[1]")));
    let further = (2..=ANCESTORS).map_while(|depth| text(&format!("proc.aname[{depth}]")));
    names.extend(further);
    names.join("←")
}

fn destination(text: &impl Fn(&str) -> Option<String>) -> String {
    let server = || {
        let address = text("fd.sip").or_else(|| text("fd.rip"))?;
        let port = text("fd.sport").or_else(|| text("fd.rport"));
        let address = if address.contains(':') {
            format!("[{address}]")
        } else {
            address
        };
        Some(port.map_or(address.clone(), |port| format!("{address}:{port}")))
    };
    let named = || {
        let name = text("fd.name")?;
        let remote = name.split_once("->").map(|(_, remote)| remote.to_owned());
        Some(remote.unwrap_or(name))
    };
    server().or_else(named).unwrap_or_default()
}

/// What the line says about itself, and all fields.
fn all(outer: &Map<String, Value>, fields: &Map<String, Value>) -> Vec<(String, String)> {
    let about = ["time", "rule", "priority", "source", "hostname", "tags"];
    let about = about
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), shown(outer.get(*name)?)?)));
    let mut fields: Vec<_> = fields
        .iter()
        .filter_map(|(name, value)| Some((escape(name), shown(value)?)))
        .collect();
    fields.sort();
    about.chain(fields).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Row {
        Row::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_line_of_a_connect_fills_each_column() {
        let row = row(
            r#"{"time":"2026-01-31T12:34:56.123456789Z","rule":"Connects","hostname":"node","output_fields":{
            "evt.type":"connect","k8s.ns.name":"shop","k8s.pod.name":"cart-0","user.name":"app",
            "proc.name":"curl","proc.pname":"sh","proc.aname[2]":"containerd-shim","proc.cmdline":"curl a\nb",
            "fd.name":"10.0.0.1:41-\u003e10.0.0.2:443","proc.pid":7,"proc.ppid":6,"proc.cwd":null}}"#,
        );
        assert_eq!(
            [
                &row.time,
                &row.place,
                &row.user,
                &row.process,
                &row.command,
                &row.destination,
                &row.rule
            ],
            [
                "12:34:56.123",
                "shop/cart-0",
                "app",
                "curl←sh←containerd-shim",
                "curl a\\nb",
                "10.0.0.2:443",
                "Connects"
            ]
        );
        assert_eq!(
            (row.pid, row.parent, row.is_exec),
            (Some(7), Some(6), false)
        );
        assert!(row.fields.iter().all(|(name, _)| name != "proc.cwd"));
    }

    #[test]
    fn an_object_of_fields_only_is_an_event_too() {
        let row = row(
            r#"{"evt.type":"execve","evt.time":1000000000,"container.id":"host","fd.sip":"::1","fd.sport":"443","user.uid":0}"#,
        );
        assert_eq!(row.time, "00:00:01.000");
        assert_eq!(row.place, "host");
        assert_eq!(row.user, "0");
        assert_eq!(row.destination, "[::1]:443");
        assert!(row.is_exec);
    }
}
