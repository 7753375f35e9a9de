//! A text with a name, and positions in it.

use std::sync::Arc;

use super::{Node, Style};

/// A position in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Bytes of the text before it.
    pub offset: u32,
}

/// The byte that begins a new line: `\r` if the first line ends with that alone, else `\n`.
pub(super) fn ending(text: &str) -> u8 {
    let bytes = text.as_bytes();
    match memchr::memchr2(b'\n', b'\r', bytes) {
        Some(first) if bytes[first] == b'\r' && bytes.get(first + 1) != Some(&b'\n') => b'\r',
        _ => b'\n',
    }
}

/// A text to be parsed; diagnostics show its lines. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: Box<str>,
    text: Box<str>,
    /// Offset of the first byte of each line.
    lines: Box<[u32]>,
}

impl Source {
    /// A text, and its name in messages (a path). A byte order mark is removed.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let text: Box<str> = text.strip_prefix('\u{feff}').unwrap_or(text).into();
        let ends = memchr::memchr_iter(ending(&text), text.as_bytes());
        let lines = std::iter::once(0)
            .chain(ends.map(|end| end + 1))
            .map_while(|start| u32::try_from(start).ok())
            .collect();
        Self(Arc::new(Inner {
            name: name.into(),
            text,
            lines,
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// A line, counted from 1, without its newline; empty if there is no such line.
    #[must_use]
    pub fn line(&self, line: u32) -> &str {
        let index = (line as usize).saturating_sub(1);
        let Some(&start) = self.0.lines.get(index) else {
            return "";
        };
        let next = self.0.lines.get(index + 1);
        let end = next.map_or(self.0.text.len(), |&next| next as usize);
        self.0.text[start as usize..end].trim_end_matches(['\n', '\r'])
    }

    /// The position behind `offset` bytes (at most the end of the text).
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.0.text.len());
        while !self.0.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let small = u32::try_from(offset).unwrap_or(u32::MAX);
        let line = self.0.lines.partition_point(|&start| start <= small);
        let start = self.0.lines[line - 1] as usize;
        let column = self.0.text[start..offset].chars().count() + 1;
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            offset: small,
        }
    }

    /// The position in this text of the byte at `offset` of a scalar's value.
    ///
    /// Folding, indentation and chomping change only white space, so the n-th other character of
    /// the value is the n-th other character of its source.
    #[must_use]
    pub fn position_in(&self, scalar: &Node, offset: usize) -> Position {
        let Some((text, style)) = scalar.scalar() else {
            return scalar.position;
        };
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = text[..offset].chars().filter(|c| !is_space(*c)).count();
        let at_word = text[offset..].chars().next().is_some_and(|c| !is_space(c));
        let start = scalar.position.offset as usize;
        let source = self.0.text.get(start..).unwrap_or_default();
        let mut seen = 0;
        let mut end = 0;
        for (at, len, is_word) in Characters::new(source, style) {
            if !is_word {
                continue;
            }
            if seen == before {
                return self.position(start + if at_word { at } else { end });
            }
            seen += 1;
            end = at + len;
            if seen == before && !at_word {
                return self.position(start + end);
            }
        }
        self.position(start + end)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// The characters of a scalar as the text has them: offset, length, and whether the character
/// stands for something other than white space.
struct Characters<'a> {
    source: &'a str,
    at: usize,
    style: Style,
}

impl<'a> Characters<'a> {
    fn new(source: &'a str, style: Style) -> Self {
        let at = match style {
            // The position of a block scalar is the position of its text, not of its header `>-`.
            Style::Plain | Style::Tagged | Style::Block => 0,
            Style::SingleQuoted | Style::DoubleQuoted => 1,
        };
        Self { source, at, style }
    }
}

impl Iterator for Characters<'_> {
    type Item = (usize, usize, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.source.get(self.at..)?;
        let first = rest.chars().next()?;
        let (len, is_word) = match (self.style, first) {
            (Style::SingleQuoted, '\'') if rest.starts_with("''") => (2, true),
            (Style::DoubleQuoted, '\\') => escape(rest),
            _ => (first.len_utf8(), !is_space(first)),
        };
        let at = self.at;
        self.at += len;
        Some((at, len, is_word))
    }
}

/// Length of an escape sequence, and whether it stands for something other than white space.
fn escape(text: &str) -> (usize, bool) {
    let Some(c) = text[1..].chars().next() else {
        return (1, true);
    };
    let digits = match c {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    let len = 1 + c.len_utf8() + digits;
    let number = text
        .get(2..2 + digits)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let white = matches!(c, ' ' | '\t' | '\n' | '\r' | 'n' | 't' | 'r')
        || number.and_then(char::from_u32).is_some_and(is_space);
    let mut len = len.min(text.len());
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    (len, !white)
}
