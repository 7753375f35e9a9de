//! `proc.aname[2]`: a field and its argument, as rules and outputs write it.

use bumpalo::{Bump, collections::String};

use super::{ArgumentKind, Field, Type, Value, bare, bracketed};
use crate::Source;

/// [`Source::value`] or [`Source::printed`].
type Accessor<'e, S> = fn(&'static Field<S>, &Argument, &'e <S as Source>::Event<'e>) -> Value<'e>;

/// What stands in brackets after a field's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// Nothing.
    None,
    /// A number.
    Index(u32),
    /// A name.
    Name(Box<str>),
}

/// Why a text is not a reference to a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No field has that name.
    #[error("unknown field '{0}'")]
    Unknown(Box<str>),
    /// The field takes no argument.
    #[error("field '{0}' takes no argument")]
    NoArgument(&'static str),
    /// The field needs an argument.
    #[error("field '{0}' needs an argument in brackets")]
    ArgumentNeeded(&'static str),
    /// The argument must be a number.
    #[error("field '{0}' takes a number in brackets, not '{1}'")]
    NotANumber(&'static str, Box<str>),
    /// The number is larger than any that an event can have.
    #[error("field '{0}' takes at most {1} in brackets, not {2}: events have no more")]
    TooFar(&'static str, u32, u32),
    /// The brackets have no argument, or no end.
    #[error("field '{0}' takes [argument], in quotes if it has blanks, quotes or brackets")]
    Brackets(&'static str),
}

/// A field with its argument.
#[derive(Clone, Debug)]
pub struct FieldRef<S: Source> {
    /// The row of the field in its table.
    pub field: &'static Field<S>,
    /// Its argument.
    pub argument: Argument,
    /// The text as it was written, which is the key in `output_fields`.
    pub key: Box<str>,
}

impl<S: Source> FieldRef<S> {
    /// Parses the longest beginning of a text that is a field; also returns its length in bytes.
    /// Brackets that the field does not take are not part of it: `%proc.name[%proc.pid]` has two
    /// fields.
    ///
    /// # Errors
    /// If the text begins with no known field, or with one whose argument is missing or too large.
    pub fn parse_prefix(text: &str) -> Result<(Self, usize), FieldError> {
        let word = text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
            .unwrap_or(text.len());
        let mut longest = None;
        for end in (1..=word).rev() {
            let (name, behind) = text.split_at(end);
            let Some(field) = S::field(name) else {
                continue;
            };
            let argued = behind
                .starts_with('[')
                .then(|| Self::with_argument(field, name, behind));
            match argued {
                Some(Ok(parsed)) => return Ok(parsed),
                Some(Err(error @ FieldError::TooFar(..))) => return Err(error),
                Some(Err(error)) => drop(longest.get_or_insert(error)),
                None => {}
            }
            match Self::alone(field, name) {
                Ok(parsed) => return Ok((parsed, end)),
                Err(error) => drop(longest.get_or_insert(error)),
            }
        }
        Err(longest.unwrap_or_else(|| FieldError::Unknown(text[..word].into())))
    }

    /// Parses a whole text as a field.
    ///
    /// # Errors
    /// If the text is not one field with its argument.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        match Self::parse_named(text, text.find('[').unwrap_or(text.len()))? {
            (parsed, len) if len == text.len() => Ok(parsed),
            _ => Err(FieldError::Unknown(text.into())),
        }
    }

    /// Parses the field whose name has a length, with the brackets behind it; also returns the
    /// length of both.
    pub(super) fn parse_named(text: &str, len: usize) -> Result<(Self, usize), FieldError> {
        let (name, behind) = text.split_at(len);
        let field = S::field(name).ok_or_else(|| FieldError::Unknown(name.into()))?;
        if behind.starts_with('[') {
            Self::with_argument(field, name, behind)
        } else {
            Ok((Self::alone(field, name)?, len))
        }
    }

    /// A field without brackets.
    fn alone(field: &'static Field<S>, name: &str) -> Result<Self, FieldError> {
        if field.argument == ArgumentKind::Name {
            return Err(FieldError::ArgumentNeeded(field.name));
        }
        let preset = field.preset.map(|name| Argument::Name(name.into()));
        Ok(Self {
            field,
            argument: preset.unwrap_or(Argument::None),
            key: name.into(),
        })
    }

    /// A field with the brackets at the beginning of a text, and the length of both.
    fn with_argument(
        field: &'static Field<S>,
        name: &str,
        behind: &str,
    ) -> Result<(Self, usize), FieldError> {
        if field.argument == ArgumentKind::None {
            return Err(FieldError::NoArgument(field.name));
        }
        let (value, len) = bracketed(behind).ok_or(FieldError::Brackets(field.name))?;
        let argument = argument(field, &value)?;
        // As in Falco: in quotes only if the argument needs them.
        let key = if !value.is_empty() && bare(&value) == value.len() {
            format!("{name}[{value}]")
        } else {
            format!("{name}[{value:?}]")
        };
        let this = Self {
            field,
            argument,
            key: key.into(),
        };
        Ok((this, name.len() + len))
    }

    /// Its value for an event.
    #[must_use]
    pub fn get<'e>(&self, event: &'e S::Event<'e>) -> Value<'e> {
        self.get_by(S::value, event)
    }

    fn get_by<'e>(&self, get: Accessor<'e, S>, event: &'e S::Event<'e>) -> Value<'e> {
        if self.field.classes.contains(S::class(event)) {
            get(self.field, &self.argument, event)
        } else {
            Value::Absent
        }
    }

    /// Its value in an output. Without an argument, a field that can have one stands for any of its
    /// values in a condition. In an output it is one text of all values, the nearest first; for
    /// numbers it is the value of index 0, as in Falco (`proc.apid` is the process's own).
    #[must_use]
    pub fn output<'e>(&self, event: &'e S::Event<'e>) -> Value<'e> {
        if self.field.condition_only {
            return Value::Absent;
        }
        let kind = self.field.argument;
        if kind == ArgumentKind::OptionalIndex
            && self.field.ty == Type::Number
            && self.argument == Argument::None
            && self.field.classes.contains(S::class(event))
        {
            return S::value(self.field, &Argument::Index(0), event);
        }
        match self.get_by(S::printed, event) {
            Value::List(values) if kind != ArgumentKind::None => joined(values, S::arena(event)),
            value => value,
        }
    }

    /// Whether it has its parts as a list.
    pub(crate) fn has_parts(&self) -> bool {
        self.field.parts.is_some() && self.argument == Argument::None
    }
}

/// Texts joined by blanks.
fn joined<'a>(values: &[Value<'a>], arena: &'a Bump) -> Value<'a> {
    let mut text = String::new_in(arena);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        if let Value::Str(part) = value {
            text.push_str(part);
        }
    }
    Value::Str(text.into_bump_str())
}

fn argument<S: Source>(field: &'static Field<S>, text: &str) -> Result<Argument, FieldError> {
    match field.argument {
        ArgumentKind::None => Err(FieldError::NoArgument(field.name)),
        ArgumentKind::Index | ArgumentKind::OptionalIndex => {
            let index = text
                .parse()
                .map_err(|_| FieldError::NotANumber(field.name, text.into()))?;
            match field.last {
                Some(last) if index > last => Err(FieldError::TooFar(field.name, last, index)),
                _ => Ok(Argument::Index(index)),
            }
        }
        ArgumentKind::Name | ArgumentKind::OptionalName => Ok(Argument::Name(text.into())),
    }
}
