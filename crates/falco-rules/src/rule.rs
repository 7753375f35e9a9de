//! A rule, ready for use.

use std::time::Duration;

use crate::{
    Priority, Source,
    fields::{FieldRef, Template},
};

/// Name, priority and rule output of a rule; the condition is in the rule set.
#[derive(Clone, Debug)]
pub struct Rule<S: Source> {
    /// Its number in the set.
    pub index: usize,
    /// Its number in the rule set.
    pub name: Box<str>,
    /// Its description.
    pub description: Box<str>,
    /// Its priority.
    pub priority: Priority,
    /// Its source; `syscall` if the file names none.
    pub source: Box<str>,
    /// Its tags, sorted, without duplicates.
    pub tags: Box<[Box<str>]>,
    /// Its rule output, with the text that `append_output` adds.
    pub output: Template<S>,
    /// Keys that `append_output` adds to `output_fields` only, sorted by key.
    pub extra: Box<[ExtraField<S>]>,
    /// Whether a match starts a recording (`capture`).
    pub capture: bool,
    /// How long such a recording lasts at least; none: as long as the configuration says.
    pub capture_duration: Option<Duration>,
}

/// A key of `output_fields` that is not in the text of the rule output.
#[derive(Clone, Debug)]
pub enum ExtraField<S: Source> {
    /// A field under its own name, with its type.
    Field(FieldRef<S>),
    /// A text under a name.
    Text(Box<str>, Template<S>),
}

impl<S: Source> ExtraField<S> {
    /// The key in `output_fields`.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Field(field) => &field.key,
            Self::Text(key, _) => key,
        }
    }
}
