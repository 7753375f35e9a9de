//! Errors in an operand, a template or a condition.

use yaml::nearest;

use super::FieldError;
use crate::Source;

/// Why a text is not an operand, template or condition, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Bytes of the text before the error.
    pub at: usize,
    /// Number of characters that the error covers.
    pub width: usize,
    /// The message.
    pub message: Box<str>,
    /// The hint: what to do.
    pub hint: Option<Box<str>>,
}

impl ParseError {
    /// An error behind `at` bytes.
    #[must_use]
    pub fn new(at: usize, message: impl Into<Box<str>>) -> Self {
        Self {
            at,
            width: 1,
            message: message.into(),
            hint: None,
        }
    }

    /// Sets the number of characters that the error covers.
    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error about a field, with the nearest known name as a hint.
    #[must_use]
    pub(crate) fn field<S: Source>(at: usize, error: &FieldError) -> Self {
        let this = Self::new(at, error.to_string());
        let FieldError::Unknown(name) = error else {
            return this;
        };
        let this = this.width(name.chars().count());
        let known = S::fields().map(|field| field.name);
        match (nearest(name, known), S::HELP.fields) {
            (Some(name), _) => this.hint(format!("did you mean '{name}'?")),
            (None, Some(help)) => this.hint(help),
            (None, None) => this,
        }
    }

    /// Moves the position by a number of bytes.
    pub(super) fn shift(mut self, by: usize) -> Self {
        self.at += by;
        self
    }
}
