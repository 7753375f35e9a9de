//! Conditions: text → tree. What a name means is not known here yet.

mod lexer;
mod operator;
mod parser;
mod tree;

pub use operator::{Modifier, Operator};
pub use parser::parse;
pub use tree::{Condition, Right, Word};
