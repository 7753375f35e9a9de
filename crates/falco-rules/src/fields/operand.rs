//! Operands: a field, or a transformer of fields.

use std::fmt;

use bumpalo::collections::Vec;

use super::{
    Argument, ArgumentKind, FieldRef, ParseError, Transformer, Type, Value, operand_parser,
};
use crate::Source;

/// A field, a constant, or a transformer with its arguments.
#[derive(Clone, Debug)]
pub(crate) enum Operand<S: Source> {
    /// A field.
    Field(FieldRef<S>),
    /// A constant.
    Text(Box<str>),
    /// A list of operands, as an argument of a transformer.
    List(Box<[Operand<S>]>),
    /// A transformer and its arguments.
    Transform {
        /// The transformer.
        transformer: Transformer,
        /// The selector: `[t]` behind `getopt(…)`.
        selector: Option<u8>,
        /// The arguments.
        arguments: Box<[Operand<S>]>,
    },
}

/// Whether a text begins as a transformer does: `tolower(`.
#[must_use]
pub(crate) fn is_transformer(text: &str) -> bool {
    operand_parser::transformer(text).is_some()
}

/// Length of the field name at the beginning of a text: words joined by dots.
#[must_use]
pub(crate) fn field_name(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let word = |from: usize| {
        bytes.get(from).filter(|b| b.is_ascii_alphabetic())?;
        let len = bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        Some(from + len)
    };
    let first = word(0)?;
    let mut end = first;
    while bytes.get(end) == Some(&b'.')
        && let Some(next) = word(end + 1)
    {
        end = next;
    }
    (end > first).then_some(end)
}

impl<S: Source> Operand<S> {
    /// Parses the field or transformer at the beginning of a text; also returns its length in
    /// bytes.
    ///
    /// # Errors
    /// If the text begins with neither, or with an invalid one.
    pub(crate) fn parse_prefix(text: &str) -> Result<(Self, usize), ParseError> {
        operand_parser::parse(text)
    }

    /// The type of its values, and whether there can be more than one.
    #[must_use]
    pub(crate) fn ty(&self) -> (Type, bool) {
        match self {
            Self::Field(field) => (
                field.field.ty,
                field.argument == Argument::None
                    && field.field.argument == ArgumentKind::OptionalIndex,
            ),
            Self::Text(_) => (Type::String, false),
            Self::List(_) => (Type::String, true),
            Self::Transform {
                transformer,
                selector,
                arguments,
            } => match transformer {
                Transformer::Len => (Type::Number, false),
                Transformer::Join | Transformer::Concat => (Type::String, false),
                Transformer::GetOpt => (Type::String, selector.is_none()),
                _ => (Type::String, arguments.iter().any(|a| a.ty().1)),
            },
        }
    }

    /// Its value for an event.
    #[must_use]
    pub(crate) fn get<'e>(&self, event: &'e S::Event<'e>) -> Value<'e> {
        let arena = S::arena(event);
        match self {
            Self::Field(field) => field.get(event),
            Self::Text(text) => Value::Str(arena.alloc_str(text)),
            Self::List(items) => {
                let mut values = Vec::with_capacity_in(items.len(), arena);
                values.extend(items.iter().map(|item| item.get(event)));
                Value::List(values.into_bump_slice())
            }
            Self::Transform {
                transformer,
                selector,
                arguments,
            } => {
                let mut values = Vec::with_capacity_in(arguments.len(), arena);
                let lists = matches!(transformer, Transformer::Join | Transformer::GetOpt);
                values.extend(arguments.iter().map(|argument| {
                    let parts = match argument {
                        Self::Field(field) if lists && field.has_parts() => {
                            S::parts(field.field, event)
                        }
                        _ => None,
                    };
                    parts.unwrap_or_else(|| argument.get(event))
                }));
                transformer.apply(&values, *selector, arena)
            }
        }
    }

    /// Calls `each` with every field in the operand.
    pub(crate) fn fields<'s>(&'s self, each: &mut dyn FnMut(&'s FieldRef<S>)) {
        match self {
            Self::Field(field) => each(field),
            Self::Text(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.fields(each)),
            Self::Transform { arguments, .. } => {
                arguments.iter().for_each(|item| item.fields(each));
            }
        }
    }

    /// Checks the types of a transformer's arguments.
    pub(super) fn check(self, at: usize) -> Result<Self, ParseError> {
        let Self::Transform {
            transformer,
            arguments,
            ..
        } = &self
        else {
            return Ok(self);
        };
        let name = transformer.name();
        let wanted = transformer.arguments();
        if !wanted.contains(&arguments.len()) {
            let number = match (wanted.start(), wanted.end()) {
                (1, 1) => "one argument".to_owned(),
                (a, b) if a == b => format!("{a} arguments"),
                (a, _) => format!("at least {a} arguments"),
            };
            let message = format!("{name}() takes {number}, not {}", arguments.len());
            return Err(ParseError::new(at, message).width(name.len()));
        }
        let types: std::vec::Vec<_> = arguments.iter().map(Self::ty).collect();
        let is_list = |index: usize| {
            types[index].1 || matches!(&arguments[index], Self::Field(field) if field.has_parts())
        };
        let wrong = match transformer {
            Transformer::Len if types[0].0 == Type::String || types[0].1 => None,
            Transformer::Join if types[0].1 => Some("a text as its first argument"),
            Transformer::Join if !is_list(1) => Some("a list as its second argument"),
            Transformer::Join => None,
            Transformer::GetOpt if !is_list(0) => Some("a list as its first argument"),
            Transformer::GetOpt if types[1].1 => Some("a text as its second argument"),
            Transformer::Concat if types.iter().any(|t| t.1 || t.0 != Type::String) => {
                Some("texts")
            }
            _ if types[0].0 != Type::String => Some("a text"),
            _ => None,
        };
        match wrong {
            None => Ok(self),
            Some(wanted) => {
                let message = format!("{name}() takes {wanted}");
                Err(ParseError::new(at, message).width(name.len()))
            }
        }
    }
}

impl<S: Source> fmt::Display for Operand<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: &[Self]| {
            for (index, item) in items.iter().enumerate() {
                let comma = if index > 0 { ", " } else { "" };
                write!(f, "{comma}{item}")?;
            }
            f.write_str(")")
        };
        match self {
            Self::Field(field) => f.write_str(&field.key),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => {
                f.write_str("(")?;
                list(f, items)
            }
            Self::Transform {
                transformer,
                selector,
                arguments,
            } => {
                write!(f, "{}(", transformer.name())?;
                list(f, arguments)?;
                match selector {
                    Some(letter) => write!(f, "[{}]", char::from(*letter)),
                    None => Ok(()),
                }
            }
        }
    }
}
