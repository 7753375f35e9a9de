//! `- rule:`: defines, changes, enables or disables a rule.

use std::time::Duration;

use yaml::{Diagnostic, Node};

use super::{
    Exception, Located, RuleDefinition,
    definitions::Table,
    exceptions,
    reader::{Change, Reader},
};
use crate::{Code, Priority};

/// Keys of a rule.
pub(super) const KEYS: [&str; 15] = [
    "rule",
    "desc",
    "condition",
    "output",
    "priority",
    "source",
    "enabled",
    "tags",
    "exceptions",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
    "append",
    "override",
];
pub(super) const APPENDABLE: [&str; 5] = ["condition", "output", "desc", "tags", "exceptions"];
pub(super) const REPLACEABLE: [&str; 11] = [
    "condition",
    "output",
    "desc",
    "tags",
    "exceptions",
    "priority",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
];

/// Applies an item to the rules.
pub(super) fn apply(
    reader: &mut Reader<'_>,
    number: usize,
    rules: &mut Table<RuleDefinition>,
) -> Option<()> {
    reader.check_keys(&KEYS);
    if let Some(changes) = reader.overrides(&APPENDABLE, &REPLACEABLE) {
        return change(reader, number, rules, &changes);
    }
    if reader.appends() {
        let changes: Vec<_> = ["condition", "exceptions", "output", "desc", "tags"]
            .into_iter()
            .filter(|key| reader.get(key).is_some())
            .map(|key| (key, Change::Append))
            .collect();
        if !changes
            .iter()
            .any(|(key, _)| matches!(*key, "condition" | "exceptions"))
        {
            return reader.error(
                Code::YamlValidate,
                reader.item.position,
                "a rule that appends has a 'condition' or 'exceptions'",
            );
        }
        return change(reader, number, rules, &changes);
    }
    let body = ["condition", "output", "desc", "priority"];
    if reader.get("enabled").is_some() && body.iter().all(|key| reader.get(key).is_none()) {
        let enabled = reader.boolean("enabled")?;
        let Some(rule) = rules.get_mut(reader.name) else {
            reader.undefined(rules.names());
            return None;
        };
        rule.value.enabled = enabled;
        return Some(());
    }
    let rule = define(reader)?;
    rules.define(reader.define(number, rule));
    Some(())
}

fn define(reader: &mut Reader<'_>) -> Option<RuleDefinition> {
    // Reads all keys before a missing one ends the function, so that all errors are reported at
    // once.
    let condition = reader.required("condition");
    let output = reader.required("output");
    let description = match reader.get("desc") {
        Some(node) if node.as_str().is_some() => Some(node),
        _ => reader.required("desc"),
    };
    let level = priority(reader);
    let exceptions = match reader.get("exceptions") {
        Some(node) => exceptions::read(reader, node, true),
        None => Some(Vec::new()),
    };
    let tags = tags(reader);
    let source = match reader.get("source") {
        Some(node) if !node.is_null() => reader.scalar("source", node)?.as_str()?,
        _ => "syscall",
    };
    Some(RuleDefinition {
        enabled: reader.boolean("enabled").unwrap_or(true),
        warn_evttypes: reader.boolean("warn_evttypes").unwrap_or(true),
        capture: reader.boolean("capture").unwrap_or(false),
        capture_duration: capture_duration(reader).unwrap_or_default(),
        skip_if_unknown_filter: reader.boolean("skip-if-unknown-filter").unwrap_or(false),
        description: text(description?),
        condition: Located::new(reader.source, condition?),
        output: Located::new(reader.source, output?).trimmed(),
        priority: level?,
        source: source.into(),
        tags,
        exceptions: exceptions?,
    })
}

fn text(node: &Node) -> String {
    node.as_str().unwrap_or_default().trim().to_owned()
}

fn tags(reader: &mut Reader<'_>) -> Vec<Box<str>> {
    match reader.get("tags") {
        Some(node) if !node.is_null() => reader.texts("tags", node).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn priority(reader: &mut Reader<'_>) -> Option<Priority> {
    let node = reader.required("priority")?;
    let text = node.as_str()?;
    let names = Priority::ALL.map(Priority::as_str);
    let Some(priority) = Priority::parse(text) else {
        let diagnostic = Diagnostic::error(
            reader.source,
            node.position,
            format!("unknown priority '{text}'"),
        )
        .width(text.chars().count())
        .hint(format!("priorities are {}", names.join(", ")));
        reader.report(Code::YamlValidate, diagnostic);
        return None;
    };
    if !Priority::is_canonical(text) {
        let message = format!("priority '{text}' is not spelt as the schema has it");
        let diagnostic = Diagnostic::warning(reader.source, node.position, message)
            .width(text.chars().count())
            .hint(format!("write {}", priority.as_str().to_uppercase()));
        reader.report(Code::Spelling, diagnostic);
    }
    Some(priority)
}

/// How long a recording lasts that the rule starts; 0 stands for the configuration's duration.
fn capture_duration(reader: &mut Reader<'_>) -> Option<Duration> {
    let node = reader.get("capture_duration")?;
    let number = node.as_u64().and_then(|number| u32::try_from(number).ok());
    let Some(milliseconds) = number else {
        let message = format!(
            "'capture_duration' must be a number of milliseconds, at most {}",
            u32::MAX
        );
        return reader.error(Code::YamlValidate, node.position, message);
    };
    Some(Duration::from_millis(milliseconds.into()))
}

/// Appends to keys of an existing rule, or replaces them.
fn change(
    reader: &mut Reader<'_>,
    number: usize,
    rules: &mut Table<RuleDefinition>,
    changes: &[(&str, Change)],
) -> Option<()> {
    if rules.get(reader.name).is_none() {
        reader.undefined(rules.names());
        return None;
    }
    for &(key, how) in changes {
        let node = reader.get(key)?;
        let read: Option<Vec<Exception>> = match key {
            "exceptions" => exceptions::read(reader, node, how == Change::Replace),
            _ => None,
        };
        let new_priority = match key {
            "priority" => priority(reader),
            _ => None,
        };
        let flag = match key {
            "enabled" | "warn_evttypes" | "skip-if-unknown-filter" | "capture" => {
                reader.boolean(key)
            }
            _ => None,
        };
        let duration = match key {
            "capture_duration" => capture_duration(reader),
            _ => None,
        };
        let new_tags = if key == "tags" {
            tags(reader)
        } else {
            Vec::new()
        };
        if matches!(key, "condition" | "output" | "desc") {
            reader.scalar(key, node)?;
        }
        let located = Located::new(reader.source, node);
        let rule = rules.get_mut(reader.name)?;
        rule.last = number;
        let rule = &mut rule.value;
        let append = how == Change::Append;
        match key {
            "condition" if append => rule.condition.append(located),
            "condition" => rule.condition = located,
            "output" if append => rule.output.append(located.trimmed()),
            "output" => rule.output = located.trimmed(),
            "desc" if append => rule.description = format!("{} {}", rule.description, text(node)),
            "desc" => rule.description = text(node),
            "tags" if append => rule.tags.extend(new_tags),
            "tags" => rule.tags = new_tags,
            "exceptions" if append => exceptions::append(reader, &mut rule.exceptions, read?),
            "exceptions" => rule.exceptions = read?,
            "priority" => rule.priority = new_priority?,
            "enabled" => rule.enabled = flag?,
            "warn_evttypes" => rule.warn_evttypes = flag?,
            "skip-if-unknown-filter" => rule.skip_if_unknown_filter = flag?,
            "capture" => rule.capture = flag?,
            "capture_duration" => rule.capture_duration = duration?,
            _ => {}
        }
    }
    Some(())
}
