//! YAML → cases.

use std::{
    collections::BTreeMap,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use falco_rules::{Fields, Writable};
use serde_json::{Map, Value};
use yaml::{Diagnostic, Kind, Node, Source, nearest};

use super::{Case, Choice, RecordedEvent};

/// The keys of a file of cases.
const FILE_KEYS: [&str; 2] = ["rules", "cases"];
/// The keys of a case.
const CASE_KEYS: [&str; 10] = [
    "name",
    "event",
    "line",
    "like",
    "recording",
    "number",
    "where",
    "match",
    "no_match",
    "output",
];

/// Reads a file, and collects its mistakes.
pub(super) struct Reader<'s, S> {
    source: &'s Source,
    /// Where the names of recordings begin.
    folder: &'s Path,
    problems: Vec<Diagnostic>,
    /// The events so far, by the names of their cases.
    events: BTreeMap<Box<str>, Event>,
    of: PhantomData<S>,
}

/// An event as a case writes it.
#[derive(Clone, Default)]
struct Event {
    fields: Map<String, Value>,
    /// The recording that the fields change, and which event of the recording.
    recorded: Option<(PathBuf, Choice)>,
}

/// The files of rules that a file names, and its cases.
type Contents = (Vec<Box<str>>, Vec<Case>);

impl<'s, S: Writable> Reader<'s, S> {
    /// Reads the documents of a file.
    pub(super) fn read(
        source: &'s Source,
        folder: &'s Path,
        documents: &[Node],
    ) -> Result<Contents, Vec<Diagnostic>> {
        let mut this = Self {
            source,
            folder,
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
        let mut written = self.like(node)?;
        let object = &mut written.fields;
        if let Some(line) = node.get("line") {
            object.append(&mut self.line(line)?);
        }
        if let Some(event) = node.get("event") {
            for (key, value) in event.as_mapping().unwrap_or_default() {
                let key = key.as_str().unwrap_or_default().to_owned();
                object.insert(key, json(value));
            }
        }
        self.recording(node, &mut written)?;
        if written.fields.is_empty() && written.recorded.is_none() {
            self.error(
                node,
                "a case has an 'event', a 'line', a 'recording' or the event of the case that it is 'like'",
            );
            return None;
        }
        if self.events.insert(name.into(), written.clone()).is_some() {
            self.error(node, &format!("two cases are named '{name}'"));
        }
        let Event { fields, recorded } = written;
        let from_line = node.get("line").is_some();
        let event = match &recorded {
            // The rules say which fields of the recorded event are needed.
            Some(_) => Fields::default(),
            None => match Fields::new::<S>(&fields, from_line) {
                Ok(event) => event,
                Err(error) => {
                    let place = node.get("event").unwrap_or(node);
                    self.error(place, &error.to_string());
                    return None;
                }
            },
        };
        let recorded = recorded.map(|(path, choice)| RecordedEvent {
            path,
            choice,
            changes: fields,
        });
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
            recorded,
            problem: None,
            matches,
            not,
            outputs,
        })
    }

    /// The event of the case that a case is like.
    fn like(&mut self, node: &Node) -> Option<Event> {
        let Some(like) = node.get("like") else {
            return Some(Event::default());
        };
        let name = like.as_str().unwrap_or_default();
        if let Some(event) = self.events.get(name) {
            return Some(event.clone());
        }
        let known = nearest(name, self.events.keys().map(|name| &**name));
        let hint = known.map(|known| format!(": did you mean '{known}'?"));
        let hint = hint.unwrap_or_default();
        self.error(like, &format!("no case before is named '{name}'{hint}"));
        None
    }

    /// Takes the recorded event that a case names, if it does; none after a mistake.
    fn recording(&mut self, node: &Node, event: &mut Event) -> Option<()> {
        let choices = ["number", "where"].map(|key| node.get(key));
        let Some(recording) = node.get("recording") else {
            if let Some(choice) = choices.into_iter().flatten().next() {
                self.error(
                    choice,
                    "'number' and 'where' choose an event of a 'recording'",
                );
                return None;
            }
            return Some(());
        };
        let Some(name) = recording.as_str().filter(|name| !name.is_empty()) else {
            self.error(
                recording,
                "'recording' is the name of a file of `sensor record`",
            );
            return None;
        };
        let choice = match choices {
            [Some(number), None] => {
                let Some(number) = number.as_u64() else {
                    self.error(number, "'number' is the number of an event (evt.num)");
                    return None;
                };
                Choice::Number(number)
            }
            [None, Some(condition)] => {
                let Some(text) = condition.as_str() else {
                    self.error(condition, "'where' is a condition");
                    return None;
                };
                Choice::Where(text.into())
            }
            _ => {
                self.error(
                    recording,
                    "a case with a 'recording' has either the 'number' of an event, or 'where' with the condition that the event matches",
                );
                return None;
            }
        };
        event.recorded = Some((self.folder.join(name), choice));
        Some(())
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
