//! Text → [`Operand`].

use std::marker::PhantomData;

use super::{FieldRef, Operand, ParseError, Transformer, field_name, number_len, quoted};
use crate::Source;

/// Deepest nesting of transformers.
const DEPTH_MAX: usize = 16;

/// The transformer at the beginning of a text.
pub(super) fn transformer(text: &str) -> Option<Transformer> {
    Transformer::ALL.into_iter().find(|transformer| {
        text.strip_prefix(transformer.name())
            .is_some_and(|rest| rest.starts_with('('))
    })
}

/// Parses the field or transformer at the beginning of a text; also returns its length in bytes.
pub(super) fn parse<S: Source>(text: &str) -> Result<(Operand<S>, usize), ParseError> {
    let mut parser = Parser {
        text,
        at: 0,
        source: PhantomData,
    };
    let operand = parser.operand(0)?;
    Ok((operand, parser.at))
}

struct Parser<'a, S> {
    text: &'a str,
    at: usize,
    source: PhantomData<S>,
}

impl<S: Source> Parser<'_, S> {
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

    fn operand(&mut self, depth: usize) -> Result<Operand<S>, ParseError> {
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

    /// Parses arguments up to the closing parenthesis.
    fn list(&mut self, depth: usize, what: &str) -> Result<Box<[Operand<S>]>, ParseError> {
        let mut items = Vec::new();
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

    fn argument(&mut self, depth: usize) -> Result<Operand<S>, ParseError> {
        let at = self.at;
        if let Some(len) = number_len(self.rest()) {
            let number = self.rest()[..len].into();
            self.at += len;
            return Ok(Operand::Text(number));
        }
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
            _ => self.operand(depth),
        }
    }

    fn field(&mut self) -> Result<Operand<S>, ParseError> {
        let at = self.at;
        let Some(name) = field_name(self.rest()) else {
            let message = "expected a field (proc.name) or a transformer (tolower(…))";
            return Err(ParseError::new(at, message));
        };
        let (field, len) = FieldRef::parse_named(self.rest(), name)
            .map_err(|error| ParseError::field::<S>(at, &error))?;
        self.at += len;
        Ok(Operand::Field(field))
    }
}
