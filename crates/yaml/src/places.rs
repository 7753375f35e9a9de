//! Offsets → positions, going forward.

use super::{Position, source::ending};

/// Turns offsets into positions without counting a line twice.
#[derive(Debug)]
pub(super) struct Places<'a> {
    text: &'a str,
    ending: u8,
    last: Position,
}

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            ending: ending(text),
            last: Position {
                line: 1,
                column: 1,
                offset: 0,
            },
        }
    }

    /// The position of an offset, which is at most a little before the last one.
    pub(super) fn position(&mut self, offset: usize) -> Position {
        let mut from = self.last.offset as usize;
        if offset < from {
            *self = Self::new(self.text);
            from = 0;
        }
        let passed = &self.text[from..offset];
        let breaks = memchr::memchr_iter(self.ending, passed.as_bytes()).count();
        let Position { line, column, .. } = self.last;
        let (column, rest) = match memchr::memrchr(self.ending, passed.as_bytes()) {
            Some(last) => (1, &passed[last + 1..]),
            None => (column, passed),
        };
        self.last = Position {
            line: line + number(breaks),
            column: column + number(rest.chars().count()),
            offset: number(offset),
        };
        self.last
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
