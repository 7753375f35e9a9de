//! YAML → cases.

use std::{collections::BTreeMap, marker::PhantomData};

use falco_rules::{Fields, Writable};
use serde_json::{Map, Value};
use yaml::{Diagnostic, Kind, Node, Source, nearest};

use super::Case;

/// The keys of a file of cases.
const FILE_KEYS: [&str; 2] = ["rules", "cases"];
/// The keys of a case.
const CASE_KEYS: [&str; 7] = [
    "name", "event", "line", "like", "match", "no_match", "output",
];

/// Reads a file, and collects its mistakes.
pub(super) struct Reader<'s, S> {
    source: &'s Source,
    problems: Vec<Diagnostic>,
    /// The fields of the events so far, by the names of their cases.
    events: BTreeMap<Box<str>, Map<String, Value>>,
    of: PhantomData<S>,
}

/// The files of rules that a file names, and its cases.
type Contents = (Vec<Box<str>>, Vec<Case>);

impl<'s, S: Writable> Reader<'s, S> {
    /// Reads the documents of a file.
    pub(super) fn read(
        source: &'s Source,
        documents: &[Node],
    ) -> Result<Contents, Vec<Diagnostic>> {
        let mut this = Self {
            source,
            problems: Vec::new(),
            events: BTreeMap::new(),
            of: PhantomData,
        };
        let mut rules = Vec::new();
        let mut cases = Vec::new();
        for document in documents {
            this.check_keys(document, &FILE_KEYS);
            if let Some(names) = document.get("rules") {
                rules.extend(this.texts(names));
            }
            match document.get("cases").map(|node| (node, node.as_sequence())) {
                Some((_, Some(nodes))) => {
                    cases.extend(nodes.iter().filter_map(|node| this.case(node)));
                }
                Some((node, None)) => this.error(node, "'cases' is a list of cases"),
                None => this.error(document, "the file has no 'cases'"),
            }
        }
        if this.problems.is_empty() {
            Ok((rules, cases))
        } else {
            Err(this.problems)
        }
    }

    fn case(&mut self, node: &Node) -> Option<Case> {
        self.check_keys(node, &CASE_KEYS);
        let Some(name) = node.get("name").and_then(Node::as_str) else {
            self.error(node, "a case has a 'name'");
            return None;
        };
        let mut object = self.like(node)?;
        if let Some(line) = node.get("line") {
            object.append(&mut self.line(line)?);
        }
        if let Some(event) = node.get("event") {
            for (key, value) in event.as_mapping().unwrap_or_default() {
                let key = key.as_str().unwrap_or_default().to_owned();
                object.insert(key, json(value));
            }
        }
        if object.is_empty() {
            self.error(
                node,
                "a case has an 'event', a 'line' or the event of the case that it is 'like'",
            );
            return None;
        }
        if self.events.insert(name.into(), object.clone()).is_some() {
            self.error(node, &format!("two cases are named '{name}'"));
        }
        let from_line = node.get("line").is_some();
        let event = match Fields::new::<S>(&object, from_line) {
            Ok(event) => event,
            Err(error) => {
                let place = node.get("event").unwrap_or(node);
                self.error(place, &error.to_string());
                return None;
            }
        };
        let mut names = |key| {
            node.get(key)
                .map(|node| self.texts(node))
                .unwrap_or_default()
        };
        let (matches, not) = (names("match"), names("no_match"));
        if matches.is_empty() && not.is_empty() {
            self.error(
                node,
                "a case has rules that 'match', or rules that do not ('no_match')",
            );
        }
        let outputs = self.outputs(node, &matches);
        Some(Case {
            name: name.into(),
            line: node.position.line as usize,
            event,
            matches,
            not,
            outputs,
        })
    }

    /// The event of the case that a case is like.
    fn like(&mut self, node: &Node) -> Option<Map<String, Value>> {
        let Some(like) = node.get("like") else {
            return Some(Map::new());
        };
        let name = like.as_str().unwrap_or_default();
        if let Some(object) = self.events.get(name) {
            return Some(object.clone());
        }
        let known = nearest(name, self.events.keys().map(|name| &**name));
        let hint = known.map(|known| format!(": did you mean '{known}'?"));
        let hint = hint.unwrap_or_default();
        self.error(like, &format!("no case before is named '{name}'{hint}"));
        None
    }

    /// The fields of a line of JSON, as a sensor writes it.
    fn line(&mut self, node: &Node) -> Option<Map<String, Value>> {
        let parsed = serde_json::from_str::<Value>(node.as_str().unwrap_or_default());
        match parsed.map(|mut line| line["output_fields"].take()) {
            Ok(Value::Object(fields)) => Some(fields),
            Ok(_) => {
                self.error(node, "the line has no 'output_fields'");
                None
            }
            Err(error) => {
                self.error(node, &format!("the line is no JSON: {error}"));
                None
            }
        }
    }

    fn outputs(&mut self, node: &Node, matches: &[Box<str>]) -> Vec<(Box<str>, Box<str>)> {
        let Some(output) = node.get("output") else {
            return Vec::new();
        };
        if let Some(entries) = output.as_mapping() {
            let text = |node: &Node| node.as_str().unwrap_or_default().into();
            return entries
                .iter()
                .map(|(rule, out)| (text(rule), text(out)))
                .collect();
        }
        if let ([rule], Some(text)) = (matches, output.as_str()) {
            vec![(rule.clone(), text.into())]
        } else {
            self.error(
                output,
                "'output' is the text of the one rule that matches, or a mapping of rules to texts",
            );
            Vec::new()
        }
    }

    /// A text, or a list of texts.
    fn texts(&mut self, node: &Node) -> Vec<Box<str>> {
        if let Some(text) = node.as_str() {
            return vec![text.into()];
        }
        let items = node.as_sequence().unwrap_or_default();
        let texts: Vec<_> = items
            .iter()
            .filter_map(|item| Some(item.as_str()?.into()))
            .collect();
        if texts.len() < items.len() || node.as_sequence().is_none() {
            self.error(node, "a name or a list of names stands here");
        }
        texts
    }

    fn check_keys(&mut self, node: &Node, keys: &[&str]) {
        let Some(entries) = node.as_mapping() else {
            self.error(node, "a mapping stands here");
            return;
        };
        for (key, _) in entries {
            let name = key.as_str().unwrap_or_default();
            if !keys.contains(&name) {
                let known = nearest(name, keys.iter().copied());
                let hint = known.map(|known| format!(": did you mean '{known}'?"));
                self.error(
                    key,
                    &format!("unknown key '{name}'{}", hint.unwrap_or_default()),
                );
            }
        }
    }

    fn error(&mut self, node: &Node, message: &str) {
        self.problems
            .push(Diagnostic::error(self.source, node.position, message));
    }
}

/// A node as JSON. A scalar is a text; the field's type decides what the text means.
fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(..) if node.is_null() => Value::Null,
        Kind::Scalar(text, _) => Value::String(text.to_string()),
        Kind::Sequence(items) => items.iter().map(json).collect(),
        Kind::Mapping(entries) => {
            let entry = |(key, value): &(Node, Node)| {
                (key.as_str().unwrap_or_default().to_owned(), json(value))
            };
            entries.iter().map(entry).collect()
        }
    }
}
