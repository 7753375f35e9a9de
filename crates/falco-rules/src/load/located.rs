//! A text made of scalars of files, with the positions of its bytes.

use yaml::{Diagnostic, Node, Position, Severity, Source};

use crate::fields::ParseError;

/// A condition or a rule output, which can consist of two or more scalars (`append`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Located {
    /// The text.
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    /// Bytes of the whole text before the scalar.
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

    /// The text without white space around it.
    #[must_use]
    pub(crate) fn trimmed(mut self) -> Self {
        self.text.truncate(self.text.trim_end().len());
        let front = self.text.len() - self.text.trim_start().len();
        if front == 0 {
            return self;
        }
        // The white space before the text belongs to the first scalar: keep the position exact.
        self.text.drain(..front);
        self
    }

    /// Appends another text behind a blank.
    pub(crate) fn append(&mut self, other: Self) {
        self.text.push(' ');
        let start = self.text.len();
        self.text.push_str(&other.text);
        self.parts.extend(other.parts.into_iter().map(|part| Part {
            start: start + part.start,
            ..part
        }));
    }

    /// The position of a byte of the text in its file.
    #[must_use]
    pub(crate) fn position(&self, at: usize) -> Option<(&Source, Position)> {
        let part = self.parts.iter().rev().find(|part| part.start <= at)?;
        let end = self.text.len().min(at);
        // White space before the text was removed (see `trimmed`): count from the first word of the
        // scalar.
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
