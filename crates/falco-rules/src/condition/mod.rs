//! Conditions: text → tree. What a name means is not known here yet.

mod lexer;
mod operator;
mod parser;
mod tree;

pub(crate) use operator::{Modifier, Operator};
pub(crate) use parser::{Parsed, parse};
pub(crate) use tree::{Condition, Right, Word};
