//! A rule, ready for use.

use crate::{
    Priority, Source,
    fields::{FieldRef, Template},
};

/// What a rule writes and how it is called; its condition is in the program of
/// the set.
#[derive(Clone, Debug)]
pub struct Rule<S: Source> {
    /// Its number in the set.
    pub index: usize,
    /// Its name.
    pub name: Box<str>,
    /// What it is for.
    pub description: Box<str>,
    /// How important it is.
    pub priority: Priority,
    /// What it is for, `syscall` if it names nothing.
    pub source: Box<str>,
    /// Its tags, sorted, each once.
    pub tags: Box<[Box<str>]>,
    /// Its output, with what `append_output` adds to the text.
    pub output: Template<S>,
    /// What `append_output` adds to `output_fields` only, sorted by key.
    pub extra: Box<[ExtraField<S>]>,
}

/// A key of `output_fields` that is not in the text.
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
