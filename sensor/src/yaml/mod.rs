//! YAML with positions, for rule files and for the configuration.
//!
//! ```text
//! text ──Source──▶ parse ──▶ Node (line, column, offset) ──getters──▶ values
//!                     └────▶ Diagnostic (file:line:column, the line, a caret, what to do)
//! ```

mod diagnostic;
mod nearest;
mod node;
mod parse;
mod source;

pub use diagnostic::{Diagnostic, Severity};
pub use nearest::nearest;
pub use node::{Kind, Node, Style};
pub use parse::{Limits, Parsed, parse};
pub use source::{Position, Source};

#[cfg(test)]
mod tests;
