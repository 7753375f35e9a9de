//! A row of a table of fields.

use std::fmt;

use super::{Type, Value};
use crate::{Argument, Classes, Source};

/// What may stand in brackets after a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Nothing.
    None,
    /// A number, or nothing: `proc.aname[2]`, `proc.aname`.
    OptionalIndex,
    /// A number: `proc.args[0]` may also stand alone.
    Index,
    /// A name, or nothing: `proc.env[HOME]`, `proc.env`.
    OptionalName,
    /// A name: `evt.arg[filename]`.
    Name,
}

/// The value of a field for an event.
pub type Getter<S> = for<'e> fn(&'e <S as Source>::Event<'e>, &Argument) -> Value<'e>;

/// A field of a source's events.
pub struct Field<S: Source> {
    /// Its name: words of ASCII letters, digits and `_`, joined by dots.
    pub name: &'static str,
    /// Type of its values.
    pub ty: Type,
    /// What may stand in brackets.
    pub argument: ArgumentKind,
    /// The name in brackets for which the field's own name stands: `evt.arg.fd` is `evt.arg[fd]`.
    pub preset: Option<&'static str>,
    /// The largest number in brackets for which an event can have a value, if there is one.
    pub last: Option<u32>,
    /// The classes of events that can have it; none if it is only known.
    pub classes: Classes,
    /// What the source must gather for the field to have a value.
    pub needs: S::Needs,
    /// Meaning, one sentence.
    pub doc: &'static str,
    /// Its value for an event.
    pub get: Getter<S>,
    /// Its parts as a list, for transformers that take lists; of `proc.args` the arguments.
    pub parts: Option<Getter<S>>,
    /// For conditions only, where it is either of several ends (`fd.ip`): null in an output,
    /// and `!=` is about each of its values.
    pub condition_only: bool,
    /// Why nobody needs it any more, if that is so; rules that use it are warned about.
    pub deprecated: Option<&'static str>,
}

impl<S: Source> Field<S> {
    /// A field of all classes, without argument.
    ///
    /// In a function that makes fields the compiler cannot infer the source. Name it there:
    /// `Field::<Http>::new(…)`.
    #[must_use]
    pub const fn new(
        name: &'static str,
        ty: Type,
        needs: S::Needs,
        doc: &'static str,
        get: Getter<S>,
    ) -> Self {
        Self {
            name,
            ty,
            argument: ArgumentKind::None,
            preset: None,
            last: None,
            classes: Classes::ALL,
            needs,
            doc,
            get,
            parts: None,
            condition_only: false,
            deprecated: None,
        }
    }
}

impl<S: Source> fmt::Debug for Field<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("name", &self.name)
            .field("ty", &self.ty)
            .field("argument", &self.argument)
            .field("classes", &self.classes)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}
