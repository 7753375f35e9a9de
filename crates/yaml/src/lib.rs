//! YAML as yaml-cpp, the library in Falco, reads it, with positions: every message shows the line and
//! the column. `docs/yaml.md` lists what differs from yaml-cpp.
//!
//! ```text
//! text ──Source──▶ parse ──▶ Node (line, column, offset) ──getters──▶ values
//!                     └────▶ Diagnostic (file:line:column, the line, a caret, what to do)
//! ```
//!
//! ```
//! use yaml::{Diagnostic, Limits, Source, parse};
//!
//! let source = Source::new("lamp.yaml", "colour: red\nlevel: high\n");
//! let parsed = parse(&source, &Limits::default())?;
//! let level = parsed.documents[0].get("level").expect("it is there");
//! assert_eq!(level.as_u64(), None);
//! let wrong = Diagnostic::error(&source, level.position, "a level is a number").width(4);
//! assert_eq!(
//!     wrong.to_string(),
//!     "lamp.yaml:2:8: error: a level is a number\n  2 | level: high\n    |        ^^^^"
//! );
//! # Ok::<(), Diagnostic>(())
//! ```

mod convert;
mod diagnostic;
mod encoding;
mod nearest;
mod node;
mod parse;
mod places;
mod scan;
mod source;

pub use diagnostic::{Diagnostic, Severity};
pub use encoding::decode;
pub use nearest::nearest;
pub use node::{Kind, Node, Style};
pub use parse::{Limits, Parsed, parse};
pub use source::{Position, Source};

#[cfg(test)]
mod tests;
