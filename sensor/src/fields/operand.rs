//! What is compared or printed: a field, or what transformers make of fields.

use std::fmt;

use bumpalo::collections::Vec;

use super::{
    Argument, ArgumentKind, Context, FieldRef, ParseError, Transformer, Type, Value, operand_parser,
};

/// A field, a constant, or what a transformer makes of some.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A field.
    Field(FieldRef),
    /// A constant.
    Text(Box<str>),
    /// Several, as an argument of a transformer.
    List(Box<[Operand]>),
    /// A transformer and its arguments.
    Transform {
        /// What is made.
        transformer: Transformer,
        /// `[t]` behind `getopt(…)`.
        selector: Option<u8>,
        /// Of what.
        arguments: Box<[Operand]>,
    },
}

impl Operand {
    /// The field or transformer that a text begins with, and the bytes that it takes.
    ///
    /// # Errors
    /// If the text begins with neither, or with a wrong one.
    pub fn parse_prefix(text: &str) -> Result<(Self, usize), ParseError> {
        operand_parser::parse(text)
    }

    /// Whether a text begins like a transformer: `tolower(`.
    #[must_use]
    pub fn is_transformer(text: &str) -> bool {
        operand_parser::transformer(text).is_some()
    }

    /// Length of the field's name that a text begins with: words joined by dots.
    #[must_use]
    pub fn field_name(text: &str) -> Option<usize> {
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

    /// Type of its values, and whether there may be several.
    #[must_use]
    pub fn ty(&self) -> (Type, bool) {
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
    pub fn get<'a>(&self, context: &Context<'a>) -> Value<'a> {
        match self {
            Self::Field(field) => field.get(context),
            Self::Text(text) => Value::Str(context.arena.alloc_str(text)),
            Self::List(items) => {
                let mut values = Vec::with_capacity_in(items.len(), context.arena);
                values.extend(items.iter().map(|item| item.get(context)));
                Value::List(values.into_bump_slice())
            }
            Self::Transform {
                transformer,
                selector,
                arguments,
            } => {
                let mut values = Vec::with_capacity_in(arguments.len(), context.arena);
                let lists = matches!(transformer, Transformer::Join | Transformer::GetOpt);
                values.extend(arguments.iter().map(|argument| match argument {
                    Self::Field(field) if lists && is_arguments(field) => words(context),
                    argument => argument.get(context),
                }));
                transformer.apply(&values, *selector, context.arena)
            }
        }
    }

    /// Calls `each` with every field in it.
    pub fn fields<'s>(&'s self, each: &mut dyn FnMut(&'s FieldRef)) {
        match self {
            Self::Field(field) => each(field),
            Self::Text(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.fields(each)),
            Self::Transform { arguments, .. } => {
                arguments.iter().for_each(|item| item.fields(each));
            }
        }
    }

    /// Checks that a transformer can do something with its arguments.
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
            types[index].1 || matches!(&arguments[index], Self::Field(field) if is_arguments(field))
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

/// Whether it is `proc.args`, which transformers of lists take apart again.
fn is_arguments(field: &FieldRef) -> bool {
    field.field.name == "proc.args" && field.argument == Argument::None
}

/// The arguments of the program, one by one.
fn words<'a>(context: &Context<'a>) -> Value<'a> {
    let Some(program) = context.program() else {
        return Value::Absent;
    };
    let mut values = Vec::new_in(context.arena);
    values.extend(
        program
            .argv
            .rest()
            .iter()
            .map(|argument| Value::Str(context.text(argument))),
    );
    Value::List(values.into_bump_slice())
}

impl fmt::Display for Operand {
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
