//! Falco's rules: loaded, compiled, evaluated.
//!
//! ```text
//! files ──load──▶ definitions ──compile──▶ RuleSet ──evaluate──▶ rules that match
//!                                             └────▶ Requirements: what the kernel side must send
//! ```

pub mod condition;
mod compile;
mod load;
mod priority;
mod problem;
mod rule;

pub use load::{RuleFile, read};
pub use priority::Priority;
pub use problem::{Code, ItemKind, Problem};
pub use rule::{ExtraField, Rule};
