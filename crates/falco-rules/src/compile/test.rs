//! Tests of values, prepared by the type check.

use super::{OperandId, automaton::Automaton, number::Numbers, paths::Paths, text::TextTest};
use crate::{
    condition::{Modifier, Operator},
    fields::Value,
};

/// A text that a check searches for in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The text.
    pub text: Box<str>,
    /// Whether the search ignores the case of ASCII letters.
    pub any_case: bool,
}

impl Pattern {
    /// Whether a text contains the pattern.
    #[must_use]
    pub(crate) fn is_in(&self, text: &str) -> bool {
        if self.any_case {
            text.len() >= self.text.len()
                && text
                    .as_bytes()
                    .windows(self.text.len().max(1))
                    .any(|part| part.eq_ignore_ascii_case(self.text.as_bytes()))
                || self.text.is_empty()
        } else {
            memchr::memmem::find(text.as_bytes(), self.text.as_bytes()).is_some()
        }
    }
}

/// Numbers of constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Symbols {
    /// One number.
    One(u32),
    /// Two or more numbers, sorted.
    Some(Box<[u32]>),
}

impl Symbols {
    /// The set of the numbers of a list.
    #[must_use]
    pub(crate) fn new(mut numbers: Vec<u32>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        match numbers.as_slice() {
            [one] => Self::One(*one),
            _ => Self::Some(numbers.into()),
        }
    }

    /// Whether a number is in the set.
    #[must_use]
    #[inline]
    pub(crate) fn contains(&self, number: u32) -> bool {
        match self {
            Self::One(one) => *one == number,
            Self::Some(numbers) => numbers.binary_search(&number).is_ok(),
        }
    }

    /// The numbers.
    #[must_use]
    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Some(numbers) => numbers,
        }
    }
}

/// How many values of one field must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// At least one value.
    Any,
    /// All values, and at least one.
    All,
}

/// A test of a value. An absent value passes no test.
#[derive(Debug)]
pub(crate) enum Test {
    /// There is a value.
    Exists,
    /// Never passes (an empty list, a field that no event has).
    Never,
    /// The text is one of some constants.
    Symbols(Symbols, Quantifier),
    /// The text is not this constant.
    NotSymbol(u32, Quantifier),
    /// The text contains a pattern of the operand.
    Pattern(u32),
    /// Any other test of a text.
    Text(TextTest),
    /// A regular expression or a glob matches the text as a whole.
    Whole(Automaton),
    /// A path is at or below one of these.
    Paths(Paths),
    /// Tests of which a number must pass, as the modifier says.
    Modified(Modifier, Box<[Test]>),
    /// The truth value is this one.
    Bool(bool),
    /// The number is in some ranges (or in none of them).
    Numbers(Numbers, Quantifier),
    /// Compares with the value of another operand.
    Operand(Operator, OperandId),
}

/// A value as a number.
#[must_use]
#[inline]
pub(crate) fn number_of(value: &Value<'_>) -> Option<i128> {
    match *value {
        Value::Int(number) => Some(number.into()),
        Value::Uint(number) | Value::Time(number, _) => Some(number.into()),
        Value::Ip(ip) => Some(super::number::ip(ip)),
        Value::Bool(value) => Some(value.into()),
        _ => None,
    }
}

impl Test {
    /// Whether a value passes, as far as the value alone decides this. `symbol` is the number of
    /// its text among the constants.
    #[must_use]
    #[inline]
    pub(crate) fn passes(
        &self,
        value: &Value<'_>,
        symbol: Option<u32>,
        patterns: &[Pattern],
    ) -> bool {
        match (self, value) {
            (_, Value::Absent) | (Self::Never | Self::Operand(..), _) => false,
            (Self::Exists, _) => true,
            (Self::Symbols(symbols, _), Value::Str(_)) => {
                symbol.is_some_and(|symbol| symbols.contains(symbol))
            }
            (Self::NotSymbol(number, _), Value::Str(_)) => symbol != Some(*number),
            (Self::Pattern(number), Value::Str(text)) => patterns
                .get(*number as usize)
                .is_some_and(|pattern| pattern.is_in(text)),
            (Self::Text(wanted), Value::Str(text)) => wanted.passes(text),
            (Self::Whole(automaton), Value::Str(text)) => automaton.matches(text),
            (Self::Paths(paths), Value::Str(text)) => paths.contains(text),
            (Self::Modified(modifier, tests), value) => {
                let matching = tests
                    .iter()
                    .filter(|test| test.passes(value, symbol, patterns))
                    .count();
                modifier.is_satisfied(matching, tests.len())
            }
            (Self::Bool(wanted), value) => {
                number_of(value).is_some_and(|number| (number != 0) == *wanted)
            }
            (Self::Numbers(numbers, _), value) => {
                number_of(value).is_some_and(|number| numbers.contains(number))
            }
            _ => false,
        }
    }

    /// How many values must pass.
    #[must_use]
    #[inline]
    pub(crate) fn quantifier(&self) -> Quantifier {
        match self {
            Self::Symbols(_, quantifier)
            | Self::NotSymbol(_, quantifier)
            | Self::Numbers(_, quantifier) => *quantifier,
            _ => Quantifier::Any,
        }
    }
}
