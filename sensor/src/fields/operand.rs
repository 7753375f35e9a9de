//! What is compared or printed: a field, or what transformers make of fields.

use std::fmt;

use bumpalo::collections::Vec;

use super::{
    Argument, ArgumentKind, Context, FieldError, FieldRef, Transformer, Type, Value, all, foreign,
};
use crate::yaml::nearest;

/// Most transformers in each other.
const DEPTH_MAX: usize = 16;

/// Why a text is not an operand or a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Bytes before the place.
    pub at: usize,
    /// Characters that it is about.
    pub width: usize,
    /// What is wrong.
    pub message: Box<str>,
    /// What to do about it.
    pub hint: Option<Box<str>>,
}

impl ParseError {
    /// An error about the place behind `at` bytes.
    #[must_use]
    pub fn new(at: usize, message: impl Into<Box<str>>) -> Self {
        Self {
            at,
            width: 1,
            message: message.into(),
            hint: None,
        }
    }

    /// With the number of characters that it is about.
    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error of a field, with the nearest known name.
    #[must_use]
    pub fn field(at: usize, error: &FieldError) -> Self {
        let this = Self::new(at, error.to_string());
        let FieldError::Unknown(name) = error else {
            return this;
        };
        let this = this.width(name.chars().count());
        let known = all().map(|field| field.name).chain(foreign::names());
        match nearest(name, known) {
            Some(name) => this.hint(format!("did you mean '{name}'?")),
            None => this.hint("'sensor --list' prints the fields that there are"),
        }
    }

    /// Moved by a number of bytes.
    #[must_use]
    pub(super) fn shift(mut self, by: usize) -> Self {
        self.at += by;
        self
    }
}

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
        let mut parser = Parser { text, at: 0 };
        let operand = parser.operand(0)?;
        Ok((operand, parser.at))
    }

    /// Whether a text begins like a transformer: `tolower(`.
    #[must_use]
    pub fn is_transformer(text: &str) -> bool {
        transformer(text).is_some()
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
    fn check(self, at: usize) -> Result<Self, ParseError> {
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

/// The transformer that a text begins with.
fn transformer(text: &str) -> Option<Transformer> {
    Transformer::ALL.into_iter().find(|transformer| {
        text.strip_prefix(transformer.name())
            .is_some_and(|rest| rest.starts_with('('))
    })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blank(&mut self) {
        self.at = self.text.len()
            - self
                .rest()
                .trim_start_matches([' ', '\t', '\r', '\n'])
                .len();
    }

    fn take(&mut self, token: char) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len_utf8();
        }
        there
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, ParseError> {
        let at = self.at;
        let Some(transformer) = transformer(self.rest()) else {
            return self.field();
        };
        if depth == DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} transformers in each other");
            return Err(ParseError::new(at, message));
        }
        self.at += transformer.name().len() + 1;
        let arguments = self.list(depth + 1, &format!("{}(", transformer.name()))?;
        let mut selector = None;
        if transformer == Transformer::GetOpt && self.rest().starts_with('[') {
            let letter = self.rest().as_bytes().get(1).copied();
            if self.rest().as_bytes().get(2) != Some(&b']') {
                return Err(ParseError::new(
                    self.at,
                    "getopt(…)[…] takes one letter in brackets",
                ));
            }
            selector = letter;
            self.at += 3;
        }
        Operand::Transform {
            transformer,
            selector,
            arguments,
        }
        .check(at)
    }

    /// Arguments up to the closing parenthesis.
    fn list(&mut self, depth: usize, what: &str) -> Result<Box<[Operand]>, ParseError> {
        let mut items = std::vec::Vec::new();
        let open = self.at - 1;
        self.blank();
        if self.take(')') {
            return Ok(items.into());
        }
        loop {
            self.blank();
            items.push(self.argument(depth)?);
            self.blank();
            if self.take(',') {
                continue;
            }
            if self.take(')') {
                return Ok(items.into());
            }
            let message = format!("expected ',' or ')' to close '{what}'");
            let at = if self.rest().is_empty() {
                open
            } else {
                self.at
            };
            return Err(ParseError::new(at, message));
        }
    }

    fn argument(&mut self, depth: usize) -> Result<Operand, ParseError> {
        let at = self.at;
        match self.rest().chars().next() {
            Some('(') => {
                if depth == DEPTH_MAX {
                    let message = format!("more than {DEPTH_MAX} lists in each other");
                    return Err(ParseError::new(at, message));
                }
                self.at += 1;
                self.list(depth + 1, "(").map(Operand::List)
            }
            Some('"' | '\'') => match quoted(self.rest()) {
                Some((text, len)) => {
                    self.at += len;
                    Ok(Operand::Text(text.into()))
                }
                None => Err(ParseError::new(at, "quote is not closed")),
            },
            Some('0'..='9' | '+' | '-') => {
                let len = self
                    .rest()
                    .find([',', ')', ' ', '\t', '\n'])
                    .unwrap_or(self.rest().len());
                let text = self.rest()[..len].into();
                self.at += len;
                Ok(Operand::Text(text))
            }
            _ => self.operand(depth),
        }
    }

    fn field(&mut self) -> Result<Operand, ParseError> {
        let at = self.at;
        let Some(mut len) = Operand::field_name(self.rest()) else {
            let message = "expected a field (proc.name) or a transformer (tolower(…))";
            return Err(ParseError::new(at, message));
        };
        if self.rest()[len..].starts_with('[') {
            len += self.brackets(at + len)?;
        }
        let text = &self.rest()[..len];
        let field = FieldRef::parse(text).map_err(|error| ParseError::field(at, &error))?;
        self.at += len;
        Ok(Operand::Field(field))
    }

    /// Length of `[argument]` at a place.
    fn brackets(&self, at: usize) -> Result<usize, ParseError> {
        let inner = &self.text[at + 1..];
        let len = match quoted(inner) {
            Some((_, len)) => len,
            None => inner
                .find(|c: char| c == ']' || c == '[' || c.is_whitespace())
                .unwrap_or(inner.len()),
        };
        if inner[len..].starts_with(']') && len > 0 {
            Ok(len + 2)
        } else if len == 0 {
            Err(ParseError::new(at, "expected an argument in the brackets"))
        } else {
            Err(ParseError::new(at, "bracket is not closed"))
        }
    }
}

/// A text in quotes that another one begins with, without its escapes, and its
/// length with quotes. Backslash escapes the next character (`\n`, `\t`, `\r`,
/// `\b` are control characters).
#[must_use]
pub fn quoted(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            match c {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                // Falco keeps the backslash of what it does not know: `'\.'` for regex.
                '\\' | '"' | '\'' | '/' | ' ' => out.push(c),
                c => {
                    out.push('\\');
                    out.push(c);
                }
            }
            escaped = false;
        } else if c == quote {
            return Some((out, at + 1));
        } else if c == '\\' {
            escaped = true;
        } else {
            out.push(c);
        }
    }
    None
}
