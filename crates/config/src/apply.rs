//! Applies one layer of configuration to the layers below.

use std::collections::{HashMap, HashSet};

use yaml::{Diagnostic, Kind, Node, Source, Style};

use super::{Config, NOT_APPLICABLE, Strategy, container_plugin::translate, keys};

/// A configuration under construction.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) config: Config,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    /// The values of keys that are lists.
    lists: HashMap<&'static str, Vec<Node>>,
    /// The keys that have a value, and the former names under which keys have one.
    given: HashSet<&'static str>,
}

/// Names of keys in former versions of Falco; the current Falco still accepts them.
const FORMER: [(&str, &str); 1] = [("rules_file", "rules_files")];

/// Keys with a list for which Falco also accepts a text, as the only element.
const ONE_OR_MORE: [&str; 2] = ["config_files", "rules_files"];

/// Keys whose numbers without a unit are milliseconds, as in falco.yaml.
const MILLISECONDS: [&str; 2] = ["output_timeout", "metrics.interval"];

impl Layers {
    /// Applies a document; `prefix` is the name of its root.
    pub(super) fn document(
        &mut self,
        source: &Source,
        prefix: &str,
        node: &Node,
        strategy: Strategy,
    ) {
        if let Some(values) = translate(prefix, node) {
            for (name, node) in values {
                self.document(source, name, &node, strategy);
            }
            return;
        }
        if let Some(key) = self.key(source, prefix, node) {
            if self.given.insert(key.name) || strategy != Strategy::AddOnly {
                self.value(source, key, node, strategy);
            }
            return;
        }
        let is_section = prefix.is_empty() || keys().iter().any(|key| below(key.name, prefix));
        if !is_section {
            self.unknown(source, prefix, node);
            return;
        }
        if node.is_null() {
            return;
        }
        let Some(entries) = node.as_mapping() else {
            let message = format!(
                "{} is {}, expected keys and values",
                if prefix.is_empty() {
                    "the configuration"
                } else {
                    prefix
                },
                node.describe()
            );
            self.errors
                .push(Diagnostic::error(source, node.position, message));
            return;
        };
        for (key, value) in entries {
            let Some(text) = key.as_str() else {
                let message = format!("a key is {}", key.describe());
                self.errors
                    .push(Diagnostic::error(source, key.position, message));
                continue;
            };
            let name = if prefix.is_empty() {
                text.to_owned()
            } else {
                format!("{prefix}.{text}")
            };
            let place = Node {
                position: key.position,
                ..value.clone()
            };
            let is_known = keys()
                .iter()
                .any(|key| key.name == name || below(key.name, &name));
            let node = if is_known { value } else { &place };
            self.document(source, &name, node, strategy);
        }
    }

    /// The key with that name or former name.
    fn key(&mut self, source: &Source, name: &str, node: &Node) -> Option<&'static keys::Key> {
        let find = |name: &str| keys().iter().find(|key| key.name == name);
        let names = FORMER
            .iter()
            .find(|names| names.0 == name || names.1 == name);
        let Some(&(former, current)) = names else {
            return find(name);
        };
        let width = name.len();
        let both = if name == former {
            let message = format!("'{former}' is the former name of '{current}'");
            self.warnings
                .push(Diagnostic::warning(source, node.position, message).width(width));
            self.given.insert(former) && self.given.contains(current)
        } else {
            self.given.contains(former)
        };
        if both {
            let message = format!("both '{current}' and '{former}' are given");
            self.errors.push(
                Diagnostic::error(source, node.position, message)
                    .width(width)
                    .hint(format!("put all of it into '{current}'")),
            );
        }
        find(current)
    }

    fn unknown(&mut self, source: &Source, name: &str, node: &Node) {
        let width = name.rsplit('.').next().unwrap_or(name).chars().count();
        let reason = NOT_APPLICABLE
            .iter()
            .find(|(key, _)| *key == name || below(name, key));
        if let Some((_, reason)) = reason {
            let message = format!("'{name}' has no effect here: {reason}");
            self.warnings
                .push(Diagnostic::warning(source, node.position, message).width(width));
            return;
        }
        let sections = keys().iter().filter_map(|key| key.name.rsplit_once('.'));
        let names = keys()
            .iter()
            .map(|key| key.name)
            .chain(sections.map(|(section, _)| section));
        let message = format!("unknown key '{name}'");
        self.errors.push(
            Diagnostic::error(source, node.position, message)
                .width(width)
                .suggest(name, names),
        );
    }

    fn value(&mut self, source: &Source, key: &'static keys::Key, node: &Node, strategy: Strategy) {
        let mut node = node.clone();
        if MILLISECONDS.contains(&key.name) && node.as_u64().is_some_and(|n| n > 0) {
            let text = format!("{}ms", node.as_str().unwrap_or_default());
            node.kind = Kind::Scalar(text.into(), Style::Plain);
        }
        let is_text = node.as_str().is_some_and(|text| !text.is_empty()) && !node.is_null();
        if is_text && ONE_OR_MORE.contains(&key.name) {
            node.kind = Kind::Sequence(vec![node.clone()]);
        }
        if let Kind::Sequence(items) = &mut node.kind {
            let whole = self.lists.entry(key.name).or_default();
            if strategy == Strategy::Override {
                whole.clear();
            }
            whole.append(items);
            items.clone_from(whole);
        }
        self.set(source, key, &node);
    }

    fn set(&mut self, source: &Source, key: &'static keys::Key, node: &Node) {
        let width = node.as_str().map_or(1, |text| text.chars().count());
        if !(key.set)(&mut self.config, node) {
            let found = match node.as_str() {
                Some(text) if !node.is_null() => format!("'{text}'"),
                _ => node.describe().to_owned(),
            };
            let message = format!("{}: expected {}, not {found}", key.name, key.ty);
            let words = key.ty.split([' ', ',']).filter(|word| *word != "or");
            self.errors.push(
                Diagnostic::error(source, node.position, message)
                    .width(width)
                    .suggest(node.as_str().unwrap_or_default(), words),
            );
        } else if let Some(message) = keys::out_of_range(key.name, &self.config) {
            let message = format!("{}: {message}", key.name);
            self.errors
                .push(Diagnostic::error(source, node.position, message).width(width));
        }
    }

    /// Changes one element of a list: the one at `index`, or a new one at the end.
    pub(super) fn element(
        &mut self,
        source: &Source,
        name: &str,
        index: Option<usize>,
        node: &Node,
    ) {
        let Some(key) = self.key(source, name, node) else {
            self.unknown(source, name, node);
            return;
        };
        let list = self.lists.entry(key.name).or_insert_with(|| {
            let shown = Source::new(key.name, (key.show)(&self.config));
            let parsed = yaml::parse(&shown, &yaml::Limits::default());
            parsed
                .ok()
                .and_then(|parsed| {
                    parsed
                        .documents
                        .first()?
                        .as_sequence()
                        .map(<[Node]>::to_vec)
                })
                .unwrap_or_default()
        });
        match index {
            Some(i) if i < list.len() => list[i] = node.clone(),
            Some(i) => {
                let message = format!("{name} has {} elements, there is no [{i}]", list.len());
                self.errors.push(
                    Diagnostic::error(source, node.position, message)
                        .hint(format!("use {name}[]=VALUE to add one")),
                );
                return;
            }
            None => list.push(node.clone()),
        }
        let list = Node {
            kind: Kind::Sequence(list.clone()),
            position: node.position,
        };
        self.set(source, key, &list);
    }
}

/// Whether a key is below a section.
fn below(name: &str, section: &str) -> bool {
    name.strip_prefix(section)
        .is_some_and(|rest| rest.starts_with('.'))
}
