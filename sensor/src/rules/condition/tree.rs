//! The tree of a condition, with places.

use super::{Modifier, Operator};
use crate::fields::Operand;

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
pub(crate) enum Right {
    /// Of `exists`.
    Nothing,
    /// A number or a text.
    Word(Word),
    /// Words in parentheses.
    List(Vec<Word>),
    /// Another field, or a transformer.
    Operand(Box<Operand>),
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// All of two or more.
    And(Vec<Condition>),
    /// One of two or more.
    Or(Vec<Condition>),
    /// The opposite.
    Not(Box<Condition>),
    /// The name of a macro.
    Macro(Word),
    /// A comparison.
    Check {
        /// Bytes before it.
        at: usize,
        /// What is compared.
        left: Box<Operand>,
        /// How.
        operator: Operator,
        /// How the values of a list count.
        modifier: Option<Modifier>,
        /// With what.
        right: Right,
        /// Bytes before the right-hand side.
        right_at: usize,
    },
}
