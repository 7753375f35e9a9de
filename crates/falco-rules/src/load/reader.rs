//! Typed access to the keys of an item; reports missing and invalid values.

use yaml::{Diagnostic, Node, Position, Source};

use crate::{Code, ItemKind, Problem};

/// Most errors, and most warnings, that are kept: enough for any file, few for a file of random
/// bytes.
const PROBLEMS_MAX: usize = 1000;

/// Problems, each with the number of its file.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    /// In the order in which they were found.
    pub list: Vec<(usize, Problem)>,
    /// How many more problems there were.
    pub left_out: usize,
    /// Warnings and errors that were kept.
    kept: [usize; 2],
}

impl Problems {
    /// Adds a problem.
    pub(crate) fn push(&mut self, file: usize, problem: Problem) {
        let kept = &mut self.kept[usize::from(problem.is_error())];
        if *kept < PROBLEMS_MAX {
            *kept += 1;
            self.list.push((file, problem));
        } else {
            self.left_out += 1;
        }
    }

    /// Whether there is an error.
    #[must_use]
    pub(crate) fn has_errors(&self) -> bool {
        self.list.iter().any(|(_, problem)| problem.is_error())
    }
}

/// One item of a file while the loader reads it.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) file: usize,
    pub(super) item: &'a Node,
    pub(super) kind: ItemKind,
    pub(super) name: &'a str,
    pub(super) problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    /// Adds an error; returns none, so that it can end a function.
    pub(super) fn error<T>(
        &mut self,
        code: Code,
        position: Position,
        message: impl Into<Box<str>>,
    ) -> Option<T> {
        let diagnostic = Diagnostic::error(self.source, position, message);
        self.report(code, diagnostic);
        None
    }

    pub(super) fn warning(&mut self, code: Code, position: Position, message: impl Into<Box<str>>) {
        let diagnostic = Diagnostic::warning(self.source, position, message);
        self.report(code, diagnostic);
    }

    pub(super) fn report(&mut self, code: Code, diagnostic: Diagnostic) {
        let problem = Problem::new(code, diagnostic).of(self.kind, self.name);
        self.problems.push(self.file, problem);
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.item.get(key)
    }

    /// The scalar of a required key.
    pub(super) fn required(&mut self, key: &str) -> Option<&'a Node> {
        match self.get(key) {
            None => {
                let message = format!("{} '{}' has no '{key}'", self.kind, self.name);
                self.error(Code::YamlValidate, self.item.position, message)
            }
            Some(node) => self.scalar(key, node),
        }
    }

    /// A value that must be a text.
    pub(super) fn scalar(&mut self, key: &str, node: &'a Node) -> Option<&'a Node> {
        if node.as_str().is_none() {
            let message = format!("'{key}' must be a text, not {}", node.describe());
            return self.error(Code::YamlValidate, node.position, message);
        }
        if node.is_null() || node.as_str() == Some("") {
            let message = format!("'{key}' is empty");
            return self.error(Code::YamlValidate, node.position, message);
        }
        Some(node)
    }

    /// The truth value of an optional key; another value is an error.
    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        match node.as_bool() {
            Some(value) => Some(value),
            None => {
                let message = format!("'{key}' must be true or false");
                self.error(Code::YamlValidate, node.position, message)
            }
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&mut self, key: &str, node: &'a Node) -> Option<Vec<Box<str>>> {
        let Some(items) = node.as_sequence() else {
            let message = format!("'{key}' must be a list, not {}", node.describe());
            return self.error(Code::YamlValidate, node.position, message);
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.as_str() {
                Some(text) => texts.push(text.into()),
                None => {
                    let message = format!("'{key}' must hold texts, not {}", item.describe());
                    self.error::<()>(Code::YamlValidate, item.position, message);
                }
            }
        }
        Some(texts)
    }

    /// Warns about keys that no item of this kind has.
    pub(super) fn check_keys(&mut self, known: &[&'static str]) {
        for (key, _) in self.item.as_mapping().unwrap_or_default() {
            let name = key.as_str().unwrap_or_default();
            if !known.contains(&name) {
                let message = format!("unknown key '{name}' in {} '{}'", self.kind, self.name);
                let diagnostic = Diagnostic::warning(self.source, key.position, message)
                    .width(name.chars().count())
                    .suggest(name, known.iter().copied());
                self.report(Code::UnknownKey, diagnostic);
            }
        }
    }

    /// The changes in `override`: each key must be present and must allow the change.
    pub(super) fn overrides(
        &mut self,
        appendable: &[&str],
        replaceable: &[&str],
    ) -> Option<Vec<(&'a str, Change)>> {
        let node = self.get("override")?;
        let Some(entries) = node.as_mapping() else {
            let message = format!("'override' must be a mapping, not {}", node.describe());
            return self.error(Code::YamlValidate, node.position, message);
        };
        let mut changes = Vec::new();
        for (key, value) in entries {
            let name = key.as_str().unwrap_or_default();
            let (change, allowed) = match value.as_str() {
                Some("append") => (Change::Append, appendable),
                Some("replace") => (Change::Replace, replaceable),
                _ => {
                    let message = format!("'override: {name}' must be append or replace");
                    self.error::<()>(Code::YamlValidate, value.position, message);
                    continue;
                }
            };
            if !allowed.contains(&name) {
                let verb = value.as_str().unwrap_or_default();
                let message = format!(
                    "key '{name}' of a {} cannot be overridden by {verb}",
                    self.kind
                );
                let diagnostic = Diagnostic::error(self.source, key.position, message)
                    .hint(format!("keys that can: {}", allowed.join(", ")));
                self.report(Code::YamlValidate, diagnostic);
            } else if self.get(name).is_none() {
                let message = format!("'override' names the key '{name}', which is not here");
                self.error::<()>(Code::YamlValidate, key.position, message);
            } else {
                changes.push((name, change));
            }
        }
        Some(changes)
    }
}

/// How `override` changes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Append,
    Replace,
}
