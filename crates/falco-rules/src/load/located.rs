//! A text made of scalars of files, whose places are known.

use yaml::{Diagnostic, Node, Position, Severity, Source};

use crate::fields::ParseError;

/// A condition or an output, perhaps of several scalars (`append`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Located {
    /// The text.
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    /// Bytes of the text before it.
    start: usize,
    source: Source,
    node: Node,
}

impl Located {
    /// The text of a scalar.
    #[must_use]
    pub(crate) fn new(source: &Source, node: &Node) -> Self {
        Self {
            text: node.as_str().unwrap_or_default().to_owned(),
            parts: vec![Part {
                start: 0,
                source: source.clone(),
                node: node.clone(),
            }],
        }
    }

    /// Without white space around it.
    #[must_use]
    pub(crate) fn trimmed(mut self) -> Self {
        self.text.truncate(self.text.trim_end().len());
        let front = self.text.len() - self.text.trim_start().len();
        if front == 0 {
            return self;
        }
        // What is cut off is a prefix of the first scalar: keep its place exact.
        self.text.drain(..front);
        self
    }

    /// Appends another one behind a blank.
    pub(crate) fn append(&mut self, other: Self) {
        self.text.push(' ');
        let start = self.text.len();
        self.text.push_str(&other.text);
        self.parts.extend(other.parts.into_iter().map(|part| Part {
            start: start + part.start,
            ..part
        }));
    }

    /// Where a byte of the text stands.
    #[must_use]
    pub(crate) fn position(&self, at: usize) -> Option<(&Source, Position)> {
        let part = self.parts.iter().rev().find(|part| part.start <= at)?;
        let end = self.text.len().min(at);
        // White space in front of the text was cut off (see `trimmed`): count from
        // where the first word of the scalar stands.
        let scalar = part.node.as_str().unwrap_or_default();
        let front = scalar.len() - scalar.trim_start().len();
        let mine = &self.text[part.start..];
        let cut = if mine.starts_with(char::is_whitespace) {
            0
        } else {
            front
        };
        Some((
            &part.source,
            part.source.position_in(&part.node, end - part.start + cut),
        ))
    }

    /// A message about a byte of the text.
    #[must_use]
    pub(crate) fn diagnostic(&self, severity: Severity, error: &ParseError) -> Diagnostic {
        let Some((source, position)) = self.position(error.at) else {
            let source = Source::new("", "");
            return Diagnostic::new(severity, &source, source.position(0), error.message.clone());
        };
        let diagnostic =
            Diagnostic::new(severity, source, position, error.message.clone()).width(error.width);
        match &error.hint {
            Some(hint) => diagnostic.hint(hint.clone()),
            None => diagnostic,
        }
    }
}
