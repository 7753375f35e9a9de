//! The JSON schema of rule files, from the tables of keys by which the loader reads them.

use serde_json::{Map, Value, json};

use super::{document, exceptions, rule_item};
use crate::{ItemKind, Priority};

/// The JSON schema of rule files, in the version of JSON Schema that Falco's own has.
#[must_use]
pub fn schema() -> Value {
    let kinds = document::KINDS.iter();
    let items: Vec<_> = kinds.map(|(key, kind)| item(key, *kind)).collect();
    json!({
        "$schema": "http://json-schema.org/draft-06/schema#",
        "title": "Rules",
        "type": ["array", "null"],
        "items": { "anyOf": items },
    })
}

/// The schema of an item of one kind, whose first key is `name`.
fn item(name: &str, kind: ItemKind) -> Value {
    let of_item = |keys: &[&str], changes: &[(&str, &[&str])]| {
        let entries = keys.iter().map(|key| match *key {
            "override" => (*key, overrides(changes)),
            key => (key, of_key(key)),
        });
        mapping(entries, name)
    };
    match kind {
        ItemKind::EngineVersion | ItemKind::PluginVersions => of_item(&[name], &[]),
        ItemKind::Macro => {
            let changes = &document::MACRO_CHANGES[..];
            of_item(
                &document::MACRO_KEYS,
                &[("append", changes), ("replace", changes)],
            )
        }
        ItemKind::List => {
            let changes = &document::LIST_CHANGES[..];
            of_item(
                &document::LIST_KEYS,
                &[("append", changes), ("replace", changes)],
            )
        }
        ItemKind::Rule => of_item(
            &rule_item::KEYS,
            &[
                ("append", &rule_item::APPENDABLE),
                ("replace", &rule_item::REPLACEABLE),
            ],
        ),
    }
}

/// A mapping with these keys and no others.
fn mapping<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>, required: &str) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
    json!({
        "type": "object",
        "properties": entries.collect::<Map<String, Value>>(),
        "additionalProperties": false,
        "required": [required],
    })
}

/// `override`: each key with the changes that it allows.
fn overrides(changes: &[(&str, &[&str])]) -> Value {
    let mut allowed: Map<String, Value> = Map::new();
    for (change, keys) in changes {
        for key in *keys {
            let ways = allowed.entry(*key).or_insert_with(|| json!({ "enum": [] }));
            if let Some(Value::Array(ways)) = ways.get_mut("enum") {
                ways.push((*change).into());
            }
        }
    }
    json!({ "type": "object", "properties": allowed, "additionalProperties": false })
}

/// The schema of a key's value. A text may look like a number to a reader of YAML.
fn of_key(key: &str) -> Value {
    let text = || json!({ "type": ["string", "number", "boolean"] });
    let texts = || json!({ "type": ["array", "null"], "items": text() });
    match key {
        "required_plugin_versions" => {
            let version = || [("name", text()), ("version", text())];
            let alternatives = json!({ "type": "array", "items": mapping(version(), "name") });
            let [name, of] = version();
            let plugin = mapping([name, of, ("alternatives", alternatives)], "name");
            json!({ "type": "array", "items": plugin })
        }
        "items" | "tags" => texts(),
        "exceptions" => {
            let entries = exceptions::KEYS.map(|key| match key {
                "name" => (key, text()),
                key => (key, json!({})),
            });
            json!({ "type": "array", "items": mapping(entries, "name") })
        }
        "priority" => json!({ "type": "string", "pattern": priorities() }),
        "enabled" | "append" | "warn_evttypes" | "skip-if-unknown-filter" | "capture" => {
            json!({ "type": "boolean" })
        }
        "capture_duration" => json!({ "type": "integer", "minimum": 0 }),
        _ => text(),
    }
}

/// A pattern for the priorities in upper and lower case, `INFO` too.
fn priorities() -> String {
    let either = |c: char| format!("[{}{c}]", c.to_ascii_uppercase());
    let names = Priority::ALL
        .map(Priority::as_str)
        .into_iter()
        .chain(["info"]);
    let names: Vec<String> = names
        .map(|name| name.to_ascii_lowercase().chars().map(either).collect())
        .collect();
    format!("^({})$", names.join("|"))
}

#[cfg(test)]
mod tests {
    use yaml::{Kind, Limits, Node, Source, parse};

    use super::*;

    fn json(node: &Node) -> Value {
        match &node.kind {
            Kind::Sequence(items) => items.iter().map(json).collect(),
            Kind::Mapping(entries) => {
                let entry =
                    |(key, value): &(Node, Node)| (key.as_str().unwrap().to_owned(), json(value));
                Value::Object(entries.iter().map(entry).collect())
            }
            Kind::Scalar(..) if node.is_null() => Value::Null,
            Kind::Scalar(text, yaml::Style::Plain) => match &**text {
                "true" => true.into(),
                "false" => false.into(),
                text => text
                    .parse::<i64>()
                    .map_or_else(|_| text.into(), Value::from),
            },
            Kind::Scalar(text, _) => (&**text).into(),
        }
    }

    fn validated(text: &str) -> Result<(), String> {
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("file:///schema", schema()).unwrap();
        let schema = compiler.compile("file:///schema", &mut schemas).unwrap();
        let parsed = parse(&Source::new("f", text), &Limits::default()).unwrap();
        parsed.documents.iter().map(json).try_for_each(|document| {
            let result = schemas.validate(&document, schema);
            result.map_err(|error| error.to_string())
        })
    }

    #[test]
    fn the_schema_holds_for_rules_that_load_without_a_warning() {
        let all = "\
- required_engine_version: 0.57.0
- required_plugin_versions: [{name: json, version: 0.4.0, alternatives: [{name: c, version: 1}]}]
- list: shells
  items: [sh, 'bash', 5]
- list: shells
  items: [zsh]
  override: {items: append}
- macro: in_a_shell
  condition: proc.name in (shells)
- rule: Shell
  desc: d
  condition: evt.type = execve and in_a_shell
  output: '%proc.cmdline'
  priority: NOTICE
  source: syscall
  tags: [a]
  enabled: true
  warn_evttypes: false
  skip-if-unknown-filter: true
  capture: true
  capture_duration: 5
  exceptions:
  - {name: e, fields: [proc.name, user.name], comps: [=, in], values: [[a, [b, c]]]}
  - {name: f, fields: proc.name, values: [a]}
- rule: Shell
  exceptions: [{name: e, values: [[a, [d]]]}]
  priority: info
  override: {exceptions: append, priority: replace}
- rule: Shell
  enabled: false
";
        let shipped = include_str!("../../../../deploy/rules/execve.yaml");
        for text in [all, shipped, "# nothing yet\n"] {
            validated(text).unwrap_or_else(|error| panic!("{error}"));
        }
        // Falco's own files, which are not part of this project: SENSOR_FALCO_RULES=FILE:FILE.
        if let Ok(paths) = std::env::var("SENSOR_FALCO_RULES") {
            for path in paths.split(':') {
                let text = std::fs::read_to_string(path).unwrap();
                validated(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
            }
        }
    }

    #[test]
    fn the_schema_refuses_what_the_loader_warns_about() {
        for text in [
            "- rul: a",
            "- {rule: a, descr: b}",
            "- {rule: a, priority: LOUD}",
            "- {rule: a, enabled: 7}",
            "- {rule: a, priority: INFO, override: {priority: append}}",
            "- {macro: a, condition: b, override: {items: append}}",
            "- {list: a, items: {b: c}}",
            "- {rule: a, exceptions: [{fields: [b]}]}",
            "rule: a",
        ] {
            assert!(validated(text).is_err(), "{text}");
        }
    }
}
