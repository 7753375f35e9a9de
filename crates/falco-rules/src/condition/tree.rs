//! The tree of a condition, with positions.

use super::{Modifier, Operator};
use crate::{Source, fields::Operand};

/// A text on the right-hand side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The text, without quotes.
    pub text: Box<str>,
    /// Whether it was quoted; if not, it may be the name of a list.
    pub quoted: bool,
    /// Bytes of the condition before the word.
    pub at: usize,
}

/// The right-hand side of a check.
#[derive(Clone, Debug)]
pub(crate) enum Right<S: Source> {
    /// Nothing, for `exists`.
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
    /// The conjunction of two or more conditions.
    And(Vec<Condition<S>>),
    /// The disjunction of two or more conditions.
    Or(Vec<Condition<S>>),
    /// The negation of a condition.
    Not(Box<Condition<S>>),
    /// The name of a macro.
    Macro(Word),
    /// A comparison.
    Check {
        /// Bytes of the condition before the check.
        at: usize,
        /// The left-hand side.
        left: Box<Operand<S>>,
        /// The operator.
        operator: Operator,
        /// How many values of a list must pass.
        modifier: Option<Modifier>,
        /// The right-hand side.
        right: Right<S>,
        /// Bytes before the right-hand side.
        right_at: usize,
    },
}
