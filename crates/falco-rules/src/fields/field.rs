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
    /// The argument for which the field's name with a dot stands: `evt.arg.fd` is `evt.arg[fd]`.
    pub preset: Option<&'static str>,
    /// The largest number in brackets for which an event can have a value, if there is a limit.
    pub last: Option<u32>,
    /// The classes of events that can have the field; none if no event here has it.
    pub classes: Classes,
    /// What the source must gather for the field to have a value.
    pub needs: S::Needs,
    /// The meaning, in one sentence.
    pub doc: &'static str,
    /// Gets its value for an event.
    pub get: Getter<S>,
    /// Gets its parts as a list, for transformers of lists; the arguments for `proc.args`.
    pub parts: Option<Getter<S>>,
    /// Gets what an output prints, where that is not the value that conditions compare.
    pub printed: Option<Getter<S>>,
    /// Whether the field exists for conditions only, because it stands for either of two endpoints
    /// (`fd.ip`): null in an output.
    pub condition_only: bool,
    /// Whether `!=` must hold for each of the field's values (`fd.ip`), and not for one of them.
    pub each: bool,
    /// Why the field is deprecated, if it is; rules that use it get a warning.
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
            printed: None,
            condition_only: false,
            each: false,
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
