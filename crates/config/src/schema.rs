//! The JSON schema of the configuration, from the table of keys.

use serde_json::{Map, Value, json};

use super::{LogLevel, NOT_APPLICABLE, apply::FORMER, keys};

/// The version of JSON Schema in which Falco's own schemas are written.
const DRAFT: &str = "http://json-schema.org/draft-06/schema#";

/// The JSON schema of the configuration: every key with its meaning, and the keys of falco.yaml
/// that have no effect here.
#[must_use]
pub fn schema() -> Value {
    let mut root = section();
    for key in keys() {
        let schema = of_type(key.ty).unwrap_or_default();
        for (former, _) in FORMER.iter().filter(|(_, current)| *current == key.name) {
            let mut schema = schema.clone();
            describe(&mut schema, &format!("The former name of `{}`.", key.name));
            insert(&mut root, former, schema);
        }
        let mut schema = schema;
        describe(&mut schema, &format!("{} ({})", key.doc, key.ty));
        insert(&mut root, key.name, schema);
    }
    for foreign in NOT_APPLICABLE {
        let mut schema = Map::new();
        describe(&mut schema, &format!("No effect here: {}.", foreign.reason));
        insert(&mut root, foreign.name, schema);
    }
    root.insert("$schema".into(), DRAFT.into());
    root.insert("title".into(), "Configuration of the sensor".into());
    Value::Object(root)
}

/// A section without keys.
fn section() -> Map<String, Value> {
    object(json!({ "type": ["object", "null"], "additionalProperties": false, "properties": {} }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn describe(schema: &mut Map<String, Value>, text: &str) {
    schema.insert("description".into(), text.into());
}

/// Puts the schema of a key into the section that the name leads to.
fn insert(section_: &mut Map<String, Value>, name: &str, schema: Map<String, Value>) {
    let Some(Value::Object(properties)) = section_.get_mut("properties") else {
        return;
    };
    match name.split_once('.') {
        None => {
            properties.insert(name.into(), Value::Object(schema));
        }
        Some((first, rest)) => {
            let below = properties
                .entry(first)
                .or_insert_with(|| Value::Object(section()));
            if let Value::Object(below) = below {
                insert(below, rest, schema);
            }
        }
    }
}

/// The schema of a type of value, by the type's words; none for words that no row has. A key
/// without a value is as if it were not there, so each type has null.
fn of_type(words: &str) -> Option<Map<String, Value>> {
    let texts = json!({ "type": ["array", "null"], "items": scalar() });
    let schema = match words {
        "true or false" => json!({ "type": ["boolean", "null"] }),
        "auto, true or false" => json!({ "enum": ["auto", true, false, null] }),
        "true, false or a list of names" => {
            json!({ "type": ["boolean", "array", "null"], "items": scalar() })
        }
        "a number" => json!({ "type": ["number", "null"] }),
        "a text" | "a path" | "an IP address" | LogLevel::TYPE => scalar(),
        "a mapping of names and values" => {
            json!({ "type": ["object", "null"], "additionalProperties": scalar() })
        }
        "a list of texts" => texts,
        "a list of paths" => return Some(one_or_more()),
        "a list of ignore, log, alert or exit" => json!({
            "type": ["array", "null"], "items": word("ignore, log, alert or exit"),
        }),
        "a list of enable or disable with {rule: NAME} or {tag: TAG}" => switches(),
        "a list of mappings with match, extra_output, extra_fields and suggested_output" => {
            additions()
        }
        _ if words.starts_with("a list of paths or of mappings") => config_files(),
        _ if words.starts_with("a whole number") => whole_number(words),
        _ if [
            "a number of bytes",
            "a span of time",
            "permissions",
            "user and group",
        ]
        .iter()
        .any(|start| words.starts_with(start)) =>
        {
            json!({ "type": ["string", "integer", "null"] })
        }
        _ if words.contains(" or ") && !words.contains(':') => {
            json!({ "anyOf": [word(words), { "type": "null" }] })
        }
        _ => return None,
    };
    Some(object(schema))
}

/// A text; YAML reads some texts as numbers.
fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean", "null"] })
}

fn one_or_more() -> Map<String, Value> {
    object(json!({ "type": ["string", "array", "null"], "items": scalar() }))
}

/// One of the words in `a, b or c`, in upper or lower case.
fn word(words: &str) -> Value {
    let either = |c: char| {
        if c.is_ascii_alphabetic() {
            format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase())
        } else {
            c.to_string()
        }
    };
    let words = words.split([' ', ',']);
    let words = words.filter(|word| !word.is_empty() && *word != "or");
    let patterns: Vec<String> = words
        .map(|word| word.chars().map(either).collect())
        .collect();
    json!({ "type": "string", "pattern": format!("^({})$", patterns.join("|")) })
}

/// `a whole number from 0 to 255`, `a whole number, 0 or more`.
fn whole_number(words: &str) -> Value {
    let last = words.rsplit(' ').next();
    match last.and_then(|word| word.parse::<u64>().ok()) {
        Some(most) => json!({ "type": ["integer", "null"], "minimum": 0, "maximum": most }),
        None => json!({ "type": ["integer", "null"], "minimum": 0 }),
    }
}

fn switches() -> Value {
    let which = json!({
        "type": "object",
        "properties": { "rule": scalar(), "tag": scalar() },
        "additionalProperties": false,
    });
    json!({
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "properties": { "enable": which, "disable": which },
            "additionalProperties": false,
        },
    })
}

fn additions() -> Value {
    let match_ = json!({
        "type": ["object", "null"],
        "properties": {
            "source": scalar(),
            "rule": scalar(),
            "tags": { "type": ["array", "null"], "items": scalar() },
        },
        "additionalProperties": false,
    });
    json!({
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "properties": {
                "match": match_,
                "extra_output": scalar(),
                "extra_fields": {
                    "type": ["array", "null"],
                    "items": { "type": ["string", "object"], "additionalProperties": scalar() },
                },
                "suggested_output": { "type": ["boolean", "null"] },
            },
            "additionalProperties": false,
        },
    })
}

fn config_files() -> Value {
    let mapping = json!({
        "type": "object",
        "properties": { "path": scalar(), "strategy": word("append, override or add-only") },
        "additionalProperties": false,
    });
    json!({
        "type": ["string", "array", "null"],
        "items": { "anyOf": [{ "type": "string" }, mapping] },
    })
}
