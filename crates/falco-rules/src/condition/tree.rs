//! The tree of a condition, with places.

use super::{Modifier, Operator};
use crate::{Source, fields::Operand};

/// A text on the right-hand side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The text, without quotes.
    pub text: Box<str>,
    /// Whether it was quoted; if not, it may be the name of a list.
    pub quoted: bool,
    /// Bytes before it.
    pub at: usize,
}

/// The right-hand side of a check.
#[derive(Clone, Debug)]
pub(crate) enum Right<S: Source> {
    /// Of `exists`.
    Nothing,
    /// A number or a text.
    Word(Word),
    /// Words in parentheses.
    List(Vec<Word>),
    /// Another field, or a transformer.
    Operand(Box<Operand<S>>),
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition<S: Source> {
    /// All of two or more.
    And(Vec<Condition<S>>),
    /// One of two or more.
    Or(Vec<Condition<S>>),
    /// The opposite.
    Not(Box<Condition<S>>),
    /// The name of a macro.
    Macro(Word),
    /// A comparison.
    Check {
        /// Bytes before it.
        at: usize,
        /// What is compared.
        left: Box<Operand<S>>,
        /// How.
        operator: Operator,
        /// How the values of a list count.
        modifier: Option<Modifier>,
        /// With what.
        right: Right<S>,
        /// Bytes before the right-hand side.
        right_at: usize,
    },
}
