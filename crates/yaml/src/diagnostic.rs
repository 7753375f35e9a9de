//! A message about a position in a text.

use std::fmt;

use super::{Position, Source};

/// The severity of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Information.
    Note,
    /// A warning: accepted, but probably a mistake.
    Warning,
    /// An error: not accepted.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A message about a position in a text: what is wrong, where, and what to do.
///
/// It prints as
///
/// ```text
/// rules.yaml:12:14: error: unknown field 'proc.nmae'
///   12 |   condition: proc.nmae = sh
///      |              ^^^^^^^^^
///   help: did you mean 'proc.name'?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its severity.
    pub severity: Severity,
    /// Name of the text.
    pub file: Box<str>,
    /// The position.
    pub position: Position,
    /// Number of characters that the message covers; at least one is marked.
    pub width: u32,
    /// The line of the text, safe to print, and cut around the position if it is long.
    pub line: Box<str>,
    /// Column of the position in `line`, from 1.
    pub caret: u32,
    /// The message.
    pub message: Box<str>,
    /// The hint: what to do.
    pub hint: Option<Box<str>>,
}

/// Most characters of a line that are shown.
const LINE_MAX: usize = 160;

impl Diagnostic {
    /// An error about a position.
    #[must_use]
    pub fn error(source: &Source, position: Position, message: impl Into<Box<str>>) -> Self {
        Self::new(Severity::Error, source, position, message)
    }

    /// A warning about a position.
    #[must_use]
    pub fn warning(source: &Source, position: Position, message: impl Into<Box<str>>) -> Self {
        Self::new(Severity::Warning, source, position, message)
    }

    /// A message about a position.
    #[must_use]
    pub fn new(
        severity: Severity,
        source: &Source,
        position: Position,
        message: impl Into<Box<str>>,
    ) -> Self {
        let (line, caret) = cut(source.line(position.line), position.column as usize);
        Self {
            severity,
            file: source.name().into(),
            position,
            width: 1,
            line,
            caret,
            message: message.into(),
            hint: None,
        }
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the nearest known name as the hint, if there is one.
    #[must_use]
    pub fn suggest<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match super::nearest(word, known) {
            Some(name) => self.hint(format!("did you mean '{name}'?")),
            None => self,
        }
    }

    /// Sets the number of characters that the message covers.
    #[must_use]
    pub fn width(mut self, characters: usize) -> Self {
        self.width = u32::try_from(characters).unwrap_or(u32::MAX).max(1);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column, .. } = self.position;
        write!(
            f,
            "{}:{line}:{column}: {}: {}",
            self.file, self.severity, self.message
        )?;
        if !self.line.is_empty() {
            let number = line.to_string();
            let shown = self.line.chars().count() + 1;
            let room = shown.saturating_sub(self.caret as usize).max(1);
            let marks = "^".repeat((self.width as usize).clamp(1, room));
            write!(f, "\n  {number} | {}", self.line)?;
            write!(
                f,
                "\n  {:width$} | {:caret$}{marks}",
                "",
                "",
                width = number.len(),
                caret = self.caret as usize - 1
            )?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  help: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// A line that is safe to print and not too long, and the column of a position in it.
fn cut(line: &str, column: usize) -> (Box<str>, u32) {
    let column = column.max(1);
    let first = if column > LINE_MAX * 3 / 4 {
        column - LINE_MAX / 2
    } else {
        0
    };
    let text: String = line
        .chars()
        .skip(first)
        .take(LINE_MAX)
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect();
    let caret = (column - first).min(text.chars().count() + 1);
    // White space at the end is left out, but the caret stands below something.
    let trimmed = text.trim_end_matches(' ');
    let blanks = caret.saturating_sub(trimmed.chars().count());
    let end = (trimmed.len() + blanks).min(text.len());
    (text[..end].into(), u32::try_from(caret).unwrap_or(u32::MAX))
}
