//! Conditions: text → tree. The parser does not know yet what a name refers to.

mod lexer;
mod operator;
mod parser;
mod tree;

pub(crate) use operator::{Modifier, Operator};
pub(crate) use parser::{Parsed, parse};
pub(crate) use tree::{Condition, Right, Word};
