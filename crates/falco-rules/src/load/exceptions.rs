//! `exceptions:` of a rule.

use yaml::{Diagnostic, Node, Position, Source};

use super::reader::Reader;
use crate::{Code, condition::Operator};

/// One field of an exception and its operator.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// The field, as the file has it.
    pub field: Box<str>,
    /// The operator.
    pub operator: Operator,
    /// Position of the field in the file.
    pub position: Position,
}

/// A named exception of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    /// Its name.
    pub name: Box<str>,
    /// The fields and operators. Empty in an item that only appends values.
    pub comparisons: Vec<Comparison>,
    /// Whether `fields` is one text: all values are one list then.
    pub single: bool,
    /// The values: with two or more fields a list for each value, else a text.
    pub values: Vec<(Source, Node)>,
    /// The file.
    pub source: Source,
    /// Position of the exception.
    pub position: Position,
}

/// Keys of an exception.
pub(super) const KEYS: [&str; 4] = ["name", "fields", "comps", "values"];

/// Reads the exceptions of a rule. An exception in a definition must have fields.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, defines: bool) -> Option<Vec<Exception>> {
    if node.is_null() {
        return Some(Vec::new());
    }
    let Some(items) = node.as_sequence() else {
        let message = format!("'exceptions' must be a list, not {}", node.describe());
        return reader.error(Code::YamlValidate, node.position, message);
    };
    let mut exceptions: Vec<Exception> = Vec::new();
    for item in items {
        let Some(exception) = one(reader, item, defines) else {
            continue;
        };
        if defines && exceptions.iter().any(|e| e.name == exception.name) {
            let message = format!("exception '{}' is here twice", exception.name);
            reader.warning(Code::ExceptionNameNotUnique, item.position, message);
        }
        exceptions.push(exception);
    }
    Some(exceptions)
}

fn one(reader: &mut Reader<'_>, item: &Node, defines: bool) -> Option<Exception> {
    let Some(name) = item.get("name").and_then(Node::as_str) else {
        return reader.error(
            Code::YamlValidate,
            item.position,
            "an exception has a 'name'",
        );
    };
    for (key, _) in item.as_mapping().unwrap_or_default() {
        let word = key.as_str().unwrap_or_default();
        if !KEYS.contains(&word) {
            let message = format!("unknown key '{word}' in exception '{name}'");
            let diagnostic =
                Diagnostic::warning(reader.source, key.position, message).suggest(word, KEYS);
            reader.report(Code::UnknownKey, diagnostic);
        }
    }
    let fields = item.get("fields").filter(|node| !node.is_null());
    if defines && fields.is_none() {
        let message = format!("exception '{name}' has no 'fields'");
        return reader.error(Code::YamlValidate, item.position, message);
    }
    let single = fields.is_some_and(|node| node.as_str().is_some());
    let comparisons = match fields {
        Some(fields) => comparisons(reader, name, fields, item.get("comps"))?,
        None => Vec::new(),
    };
    let values = match item.get("values") {
        None => Vec::new(),
        Some(node) if node.is_null() => Vec::new(),
        Some(node) => match node.as_sequence() {
            Some(values) => values
                .iter()
                .map(|value| (reader.source.clone(), value.clone()))
                .collect(),
            None => {
                let message = format!("'values' must be a list, not {}", node.describe());
                return reader.error(Code::YamlValidate, node.position, message);
            }
        },
    };
    if !defines && values.is_empty() {
        let message = format!("exception '{name}' is appended to without values");
        reader.warning(Code::AppendNoValues, item.position, message);
    }
    Some(Exception {
        name: name.into(),
        comparisons,
        single,
        values,
        source: reader.source.clone(),
        position: item.position,
    })
}

fn comparisons(
    reader: &mut Reader<'_>,
    name: &str,
    fields: &Node,
    comps: Option<&Node>,
) -> Option<Vec<Comparison>> {
    let list = |node: &Node| -> Vec<(String, Position)> {
        match node.as_sequence() {
            Some(items) => items
                .iter()
                .map(|item| (item.as_str().unwrap_or_default().to_owned(), item.position))
                .collect(),
            None => vec![(node.as_str().unwrap_or_default().to_owned(), node.position)],
        }
    };
    let single = fields.as_str().is_some();
    let comps = comps.filter(|node| !node.is_null());
    if let Some(comps) = comps
        && comps.as_str().is_some() != single
    {
        let message = format!(
            "'fields' and 'comps' of exception '{name}' must both be texts or both be lists"
        );
        return reader.error(Code::YamlValidate, comps.position, message);
    }
    let fields = list(fields);
    let default = if single { "in" } else { "=" };
    let comps = match comps {
        Some(node) => list(node),
        None => fields
            .iter()
            .map(|(_, at)| (default.to_owned(), *at))
            .collect(),
    };
    if comps.len() != fields.len() {
        let message = format!(
            "exception '{name}' has {} fields, but {} comps",
            fields.len(),
            comps.len()
        );
        return reader.error(Code::YamlValidate, comps.first()?.1, message);
    }
    let mut comparisons = Vec::new();
    for ((field, position), (comp, at)) in fields.into_iter().zip(comps) {
        let operator = Operator::ALL.iter().find(|(name, _)| *name == comp);
        let allowed = |operator: Operator| {
            !single
                || matches!(
                    operator,
                    Operator::In | Operator::PMatch | Operator::Intersects
                )
        };
        match operator {
            Some((_, operator)) if *operator != Operator::Exists && allowed(*operator) => {
                comparisons.push(Comparison {
                    field: field.into(),
                    operator: *operator,
                    position,
                });
            }
            _ => {
                let message = format!("'{comp}' is not an operator for exception '{name}'");
                let diagnostic = Diagnostic::error(reader.source, at, message);
                let diagnostic = if single {
                    diagnostic.hint("with one field it is in, pmatch or intersects")
                } else {
                    diagnostic.suggest(&comp, Operator::ALL.iter().map(|(name, _)| *name))
                };
                reader.report(Code::YamlValidate, diagnostic);
                return None;
            }
        }
    }
    Some(comparisons)
}

/// Appends values to exceptions with the same names, and appends new exceptions.
pub(super) fn append(reader: &mut Reader<'_>, old: &mut Vec<Exception>, new: Vec<Exception>) {
    for exception in new {
        match old.iter_mut().find(|known| known.name == exception.name) {
            Some(known) => {
                if !exception.comparisons.is_empty() {
                    let message = format!(
                        "exception '{}' is appended to: its fields and comps stay as they were",
                        exception.name
                    );
                    reader.warning(Code::ConditionWarning, exception.position, message);
                }
                known.values.extend(exception.values);
            }
            None if exception.comparisons.is_empty() => {
                let message = format!("new exception '{}' has no 'fields'", exception.name);
                reader.error::<()>(Code::YamlValidate, exception.position, message);
            }
            None => old.push(exception),
        }
    }
}
