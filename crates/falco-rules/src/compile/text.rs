//! Tests that read the text of a value.

use std::cmp::Ordering;

use crate::condition::Operator;

/// A test of a text with a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    /// The text is equal; used only where constants have no numbers.
    Is(Box<str>),
    /// Begins with it.
    StartsWith(Box<str>),
    /// Ends with it.
    EndsWith(Box<str>),
    /// Comes before or after the constant, compared byte by byte.
    Order(Operator, Box<str>),
}

impl TextTest {
    /// Whether a text passes.
    #[must_use]
    #[inline]
    pub(crate) fn passes(&self, text: &str) -> bool {
        match self {
            Self::Is(constant) => text == &**constant,
            Self::StartsWith(prefix) => text.starts_with(&**prefix),
            Self::EndsWith(suffix) => text.ends_with(&**suffix),
            Self::Order(operator, constant) => is_ordered(*operator, text.cmp(constant)),
        }
    }
}

/// Whether an ordering is one for which the operator is true.
#[must_use]
pub(crate) fn is_ordered(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Eq | Operator::In | Operator::Intersects => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Gt => order.is_gt(),
        Operator::Ge => order.is_ge(),
        _ => false,
    }
}
