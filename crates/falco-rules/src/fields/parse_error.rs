//! What is wrong with an operand, a template or a condition.

use yaml::nearest;

use super::FieldError;
use crate::Source;

/// Why a text is not an operand or a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Bytes before the place.
    pub at: usize,
    /// Characters that it is about.
    pub width: usize,
    /// What is wrong.
    pub message: Box<str>,
    /// What to do about it.
    pub hint: Option<Box<str>>,
}

impl ParseError {
    /// An error about the place behind `at` bytes.
    #[must_use]
    pub fn new(at: usize, message: impl Into<Box<str>>) -> Self {
        Self {
            at,
            width: 1,
            message: message.into(),
            hint: None,
        }
    }

    /// With the number of characters that it is about.
    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error of a field, with the nearest known name.
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

    /// Moved by a number of bytes.
    pub(super) fn shift(mut self, by: usize) -> Self {
        self.at += by;
        self
    }
}
