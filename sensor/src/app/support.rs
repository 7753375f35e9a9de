//! `--support`: what a report of a defect needs, with Falco's keys.

use config::Config;
use falco_rules::RuleFile;
use serde_json::{Map, Value, json};
use yaml::{Kind, Limits, Node, Source, Style, parse};

use crate::reports::versions;

/// The object that `--support` prints: versions, the system, the configuration in force, and the
/// rule files.
pub(super) fn object(config: &Config, files: &[RuleFile]) -> Value {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let version = env!("CARGO_PKG_VERSION");
    let file = |file: &RuleFile| json!({ "name": file.name, "variants": [{ "content": file.text, "sha256": file.sha256 }] });
    json!({
        "version": version,
        "engine_info": versions::object(version),
        "system_info": {
            "sysname": text(uname.sysname()),
            "nodename": text(uname.nodename()),
            "release": text(uname.release()),
            "version": text(uname.version()),
            "machine": text(uname.machine()),
        },
        "cmdline": command_line(std::env::args()),
        "config": as_json(config),
        "rules_files": files.iter().map(file).collect::<Vec<_>>(),
    })
}

/// The command line without the values of its `-o`: `config` has the values in force, and a value
/// may be a secret.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let mut words = Vec::new();
    let mut sets = false;
    for argument in arguments {
        let is_option = |prefix: &str| argument.starts_with(prefix) && argument != prefix;
        let hidden = match argument.split_once('=') {
            Some((flag @ "--option", value)) => {
                let key = value.split_once('=').map_or(value, |(key, _)| key);
                format!("{flag}={key}=…")
            }
            Some((key, _)) if sets || is_option("-o") => format!("{key}=…"),
            _ => argument.clone(),
        };
        sets = matches!(&*argument, "-o" | "--option");
        words.push(hidden);
    }
    words.join(" ")
}

/// The configuration as it prints itself, with sections as objects.
fn as_json(config: &Config) -> Value {
    let source = Source::new("configuration", config::print(config));
    let parsed = parse(&source, &Limits::default());
    let first = parsed
        .ok()
        .and_then(|parsed| parsed.documents.into_iter().next());
    first.map_or(Value::Null, |node| value(&node))
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Sequence(items) => items.iter().map(value).collect(),
        Kind::Mapping(entries) => {
            let entries = entries.iter();
            let entry = |(key, of): &(Node, Node)| Some((key.as_str()?.to_owned(), value(of)));
            Value::Object(entries.filter_map(entry).collect::<Map<_, _>>())
        }
        Kind::Scalar(text, Style::Plain) => match &**text {
            _ if node.is_null() => Value::Null,
            "true" => true.into(),
            "false" => false.into(),
            text => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => text.into(),
            },
        },
        Kind::Scalar(text, _) => (&**text).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_an_object_with_sections() {
        let config = as_json(&Config::default());
        assert_eq!(config["json_output"], true);
        assert_eq!(config["webserver"]["listen_port"], 8765);
        assert_eq!(config["rules_files"], json!([]));
        assert_eq!(config["sensor"]["node"], Value::Null);
        assert_eq!(config["syscall_event_drops"]["threshold"], 0.1);
    }

    #[test]
    fn the_command_line_has_no_values_of_options() {
        let line =
            "sensor -c f -o a.b=secret -oc=secret --option d=secret --option=e=secret -r g=h";
        let words = line.split(' ').map(str::to_owned);
        assert_eq!(
            command_line(words),
            "sensor -c f -o a.b=… -oc=… --option d=… --option=e=… -r g=h"
        );
    }
}
