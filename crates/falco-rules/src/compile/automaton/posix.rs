//! Regular expressions in the syntax that RE2 reads with its option `posix_syntax`: POSIX extended
//! expressions without back-references, with the escape sequences of C.
//!
//! This syntax has no `\d`, `\w`, `\b` and `(?…)`. `^` and `$` also match at a newline within the
//! text, `.` matches no newline, and a negated class does.

use std::mem;

use regex_syntax::hir::{Dot, Hir, Look, Repetition};

use super::posix_class;

/// Most repeats of one operator, and of all operators around a part together.
const REPEATS_MAX: u32 = 1000;
/// Most groups and operators in each other.
const DEPTH_MAX: u32 = 250;

/// Where a text is no regular expression, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character {at}: {reason}")]
pub(crate) struct SyntaxError {
    /// The number of the character, from 1.
    pub at: usize,
    /// The reason.
    pub reason: Reason,
}

/// Why a text is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    /// An operator without operand.
    #[error("'{0}' has nothing to repeat")]
    NothingToRepeat(Box<str>),
    /// A group in Perl's syntax.
    #[error("'(?' is not POSIX syntax, so '?' has nothing to repeat")]
    PerlGroup,
    /// Bounds of a repetition.
    #[error("'{0}' is no range within 0 to {REPEATS_MAX}")]
    Bounds(Box<str>),
    /// Nested repetitions.
    #[error("nested operators repeat a part more than {REPEATS_MAX} times")]
    Repeats,
    /// Nesting.
    #[error("more than {DEPTH_MAX} groups or operators in each other")]
    Depth,
    /// A group that has no end.
    #[error("'(' is not closed")]
    OpenGroup,
    /// The end of a group that has no beginning.
    #[error("')' was never opened")]
    NoGroup,
    /// A class that has no end.
    #[error("'[' is not closed")]
    OpenClass,
    /// A range of characters.
    #[error("'{0}' is no range of characters")]
    Range(Box<str>),
    /// The name of a class.
    #[error("'{0}' is no class of characters")]
    ClassName(Box<str>),
    /// An escape sequence.
    #[error("'{0}' is no escape sequence of POSIX syntax{hint}", hint = instead(.0))]
    Escape(Box<str>),
    /// A backslash at the end.
    #[error("'\\' escapes nothing")]
    TrailingBackslash,
}

/// What to write in place of an escape sequence of Perl.
fn instead(escape: &str) -> String {
    let other = match escape {
        r"\d" => "[0-9]",
        r"\D" => "[^0-9]",
        r"\w" => "[0-9A-Za-z_]",
        r"\W" => "[^0-9A-Za-z_]",
        r"\s" => "[[:space:]]",
        r"\S" => "[^[:space:]]",
        _ => return String::new(),
    };
    format!(", write {other}")
}

/// The syntax tree of a regular expression.
///
/// # Errors
/// If RE2 refuses the text, or the text nests too deeply.
pub(super) fn parse(text: &str) -> Result<Hir, SyntaxError> {
    let mut parser = Parser {
        input: Input { text, at: 0 },
        outer: Vec::new(),
        group: Group::default(),
    };
    while let Some(c) = parser.input.next() {
        parser.step(c)?;
    }
    if parser.outer.is_empty() {
        Ok(parser.group.finish().hir)
    } else {
        Err(parser.input.error(parser.group.open, Reason::OpenGroup))
    }
}

/// The text of an expression, and a position in it that moves forward.
#[derive(Clone)]
pub(super) struct Input<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Input<'t> {
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn take(&mut self, c: char) -> bool {
        let there = self.rest().starts_with(c);
        if there {
            self.at += c.len_utf8();
        }
        there
    }

    /// The text from a position up to here.
    pub(super) fn since(&self, start: usize) -> Box<str> {
        self.text[start..self.at].into()
    }

    /// An error at a position.
    pub(super) fn error(&self, at: usize, reason: Reason) -> SyntaxError {
        let at = self.text[..at].chars().count() + 1;
        SyntaxError { at, reason }
    }

    /// The code point of an escape sequence, behind its backslash.
    pub(super) fn escape(&mut self) -> Result<u32, SyntaxError> {
        let start = self.at - 1;
        let Some(c) = self.next() else {
            return Err(self.error(start, Reason::TrailingBackslash));
        };
        let code = match c {
            '0' => Some(self.octal(0)),
            // One digit alone would be a back-reference.
            '1'..='7' if self.rest().starts_with(|c| matches!(c, '0'..='7')) => {
                Some(self.octal(c as u32 - '0' as u32))
            }
            'x' => self.hexadecimal(),
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c.into()),
            _ => None,
        };
        code.ok_or_else(|| self.error(start, Reason::Escape(self.since(start))))
    }

    /// Up to two more octal digits behind the first one.
    fn octal(&mut self, first: u32) -> u32 {
        let mut code = first;
        for _ in 0..2 {
            let Some(digit) = self.digit(8) else { break };
            code = code * 8 + digit;
        }
        code
    }

    /// Two hexadecimal digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        if !self.take('{') {
            return Some(self.digit(16)? * 16 + self.digit(16)?);
        }
        let mut code = self.digit(16)?;
        while !self.take('}') {
            code = code * 16 + self.digit(16)?;
            if code > char::MAX.into() {
                return None;
            }
        }
        Some(code)
    }

    fn digit(&mut self, radix: u32) -> Option<u32> {
        let digit = self.rest().chars().next()?.to_digit(radix)?;
        self.at += 1;
        Some(digit)
    }

    /// A decimal number without leading zeros.
    fn number(&mut self) -> Option<u32> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let text = &self.rest()[..digits];
        if digits > 9 || (digits > 1 && text.starts_with('0')) {
            return None;
        }
        self.at += digits;
        text.parse().ok()
    }
}

/// A part of an expression, and how deep it is.
struct Part {
    hir: Hir,
    /// How often its most repeated part is there.
    copies: u32,
    depth: u32,
}

impl Part {
    fn leaf(hir: Hir) -> Self {
        Self {
            hir,
            copies: 1,
            depth: 0,
        }
    }

    fn join(parts: Vec<Self>, make: fn(Vec<Hir>) -> Hir) -> Self {
        Self {
            copies: parts.iter().map(|part| part.copies).max().unwrap_or(1),
            depth: parts.iter().map(|part| part.depth).max().unwrap_or(0),
            hir: make(parts.into_iter().map(|part| part.hir).collect()),
        }
    }
}

/// A group that is not closed yet.
#[derive(Default)]
struct Group {
    /// Bytes before its parenthesis.
    open: usize,
    /// Its alternatives but the last one.
    alternatives: Vec<Part>,
    /// The parts of its last alternative.
    parts: Vec<Part>,
}

impl Group {
    fn bar(&mut self) {
        let parts = mem::take(&mut self.parts);
        self.alternatives.push(Part::join(parts, Hir::concat));
    }

    fn finish(mut self) -> Part {
        self.bar();
        Part::join(self.alternatives, Hir::alternation)
    }
}

struct Parser<'t> {
    input: Input<'t>,
    /// The groups around the innermost open one; the first one is the whole expression.
    outer: Vec<Group>,
    /// The innermost open group.
    group: Group,
}

impl Parser<'_> {
    /// Reads what begins with a character.
    fn step(&mut self, c: char) -> Result<(), SyntaxError> {
        let start = self.input.at - c.len_utf8();
        let leaf = match c {
            '(' => return self.open(start),
            ')' => return self.close(start),
            '|' => {
                self.group.bar();
                return Ok(());
            }
            '*' => return self.repeat(start, 0, None),
            '+' => return self.repeat(start, 1, None),
            '?' => return self.repeat(start, 0, Some(1)),
            '{' => match self.bounds() {
                Some((min, max)) => return self.repeat(start, min, max),
                None => literal('{'.into()),
            },
            '^' => Hir::look(Look::StartLF),
            '$' => Hir::look(Look::EndLF),
            '.' => Hir::dot(Dot::AnyCharExceptLF),
            '[' => posix_class::parse(&mut self.input)?,
            '\\' => literal(self.input.escape()?),
            c => literal(c.into()),
        };
        self.group.parts.push(Part::leaf(leaf));
        Ok(())
    }

    fn open(&mut self, at: usize) -> Result<(), SyntaxError> {
        if self.outer.len() == DEPTH_MAX as usize {
            return Err(self.input.error(at, Reason::Depth));
        }
        let inner = Group {
            open: at,
            ..Group::default()
        };
        self.outer.push(mem::replace(&mut self.group, inner));
        Ok(())
    }

    fn close(&mut self, at: usize) -> Result<(), SyntaxError> {
        let Some(outer) = self.outer.pop() else {
            return Err(self.input.error(at, Reason::NoGroup));
        };
        let inner = mem::replace(&mut self.group, outer);
        self.push(at, inner.finish())
    }

    /// Adds a part that contains others.
    fn push(&mut self, at: usize, part: Part) -> Result<(), SyntaxError> {
        let depth = part.depth + 1;
        if depth > DEPTH_MAX {
            return Err(self.input.error(at, Reason::Depth));
        }
        self.group.parts.push(Part { depth, ..part });
        Ok(())
    }

    /// The bounds of a repetition, behind its brace; nothing if the brace stands for itself.
    fn bounds(&mut self) -> Option<(u32, Option<u32>)> {
        let mut input = self.input.clone();
        let min = input.number()?;
        let max = if !input.take(',') {
            Some(min)
        } else if input.rest().starts_with('}') {
            None
        } else {
            Some(input.number()?)
        };
        input.take('}').then(|| {
            self.input = input;
            (min, max)
        })
    }

    fn repeat(&mut self, at: usize, min: u32, max: Option<u32>) -> Result<(), SyntaxError> {
        let operator = self.input.since(at);
        if min > REPEATS_MAX || max.is_some_and(|max| max > REPEATS_MAX || max < min) {
            return Err(self.input.error(at, Reason::Bounds(operator)));
        }
        let Some(part) = self.group.parts.pop() else {
            let perl = &*operator == "?" && self.input.text[..at].ends_with('(');
            let reason = if perl {
                Reason::PerlGroup
            } else {
                Reason::NothingToRepeat(operator)
            };
            return Err(self.input.error(at, reason));
        };
        let copies = part.copies * max.unwrap_or(min).max(1);
        if copies > REPEATS_MAX {
            return Err(self.input.error(at, Reason::Repeats));
        }
        let hir = Hir::repetition(Repetition {
            min,
            max,
            greedy: true,
            sub: Box::new(part.hir),
        });
        let depth = part.depth;
        self.push(at, Part { hir, copies, depth })
    }
}

/// A code point; no text has a surrogate.
fn literal(code: u32) -> Hir {
    match char::from_u32(code) {
        Some(c) => Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => Hir::fail(),
    }
}
