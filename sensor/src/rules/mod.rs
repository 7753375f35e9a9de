//! Falco's rules: loaded, compiled, evaluated.
//!
//! ```text
//! files ──load──▶ definitions ──compile──▶ RuleSet ──evaluate──▶ rules that match
//!                                             └────▶ Requirements: what the kernel side must send
//! ```

#![expect(
    clippy::single_match_else,
    reason = "a match shows both outcomes side by side"
)]

mod activity;
mod assemble;
mod build;
mod compile;
mod condition;
mod evaluate;
mod exceptions;
mod listing;
mod load;
mod options;
mod output;
mod priority;
mod problem;
mod report;
mod requirements;
mod rule;
mod set;
#[cfg(test)]
mod tests;

pub use build::{Compilation, compile};
pub use evaluate::Scratch;
pub use load::{RuleFile, read};
pub use options::{AppendOutput, Matching, Options, SUGGESTED_OUTPUT, Select, Selection};
pub use priority::Priority;
pub use problem::{Code, ItemKind, Problem};
pub use report::{FileReport, Report};
pub use requirements::{Reach, Requirements};
pub use rule::{ExtraField, Rule};
pub use set::{Activity, RuleInfo, RuleSet};
