//! Falco's rules: loaded, compiled, evaluated.

mod priority;
mod rule;

pub use priority::Priority;
pub use rule::{ExtraField, Rule};
