//! A place in the text, and what stands there.

/// A place in the text that only goes forward.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    /// Bytes before the place.
    pub(super) offset: usize,
    /// Lines before the place.
    pub(super) line: usize,
    line_start: usize,
    /// The byte that begins a new line: see [`crate::source::ending`].
    ending: u8,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            offset: 0,
            line: 0,
            line_start: 0,
            ending: crate::source::ending(text),
        }
    }

    /// The byte `ahead` bytes further on.
    pub(super) fn at(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.offset + ahead).copied()
    }

    /// The byte at the place; none at the end.
    pub(super) fn byte(&self) -> Option<u8> {
        self.at(0)
    }

    /// The character at the place.
    pub(super) fn character(&self) -> Option<char> {
        self.text[self.offset..].chars().next()
    }

    /// Bytes between the beginning of the line and the place.
    pub(super) fn column(&self) -> isize {
        (self.offset - self.line_start).cast_signed()
    }

    /// Whether the white space at the beginning of the line has a tab.
    pub(super) fn is_indented_by_tab(&self) -> bool {
        let line = &self.text.as_bytes()[self.line_start..];
        line.iter().find(|byte| **byte != b' ') == Some(&b'\t')
    }

    /// The text from an offset up to the place.
    pub(super) fn since(&self, offset: usize) -> &'a str {
        &self.text[offset..self.offset]
    }

    /// Whether a space or tab stands at the place.
    pub(super) fn at_blank(&self) -> bool {
        matches!(self.byte(), Some(b' ' | b'\t'))
    }

    /// Length of the line break that stands `ahead` bytes further on; 0 if there is none.
    pub(super) fn break_length(&self, ahead: usize) -> usize {
        match (self.at(ahead), self.at(ahead + 1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(b'\n' | b'\r'), _) => 1,
            _ => 0,
        }
    }

    pub(super) fn at_break(&self) -> bool {
        self.break_length(0) > 0
    }

    /// Whether a blank or a line break stands `ahead` bytes further on.
    pub(super) fn space_at(&self, ahead: usize) -> bool {
        matches!(self.at(ahead), Some(b' ' | b'\t' | b'\n' | b'\r'))
    }

    /// Whether an indicator of `length` bytes ends there: by white space or the end of the text.
    pub(super) fn stands_alone(&self, length: usize) -> bool {
        self.at(length).is_none() || self.space_at(length)
    }

    /// Whether `---` (or `...`) stands at the beginning of a line, as a word of its own.
    pub(super) fn at_mark(&self, mark: &str) -> bool {
        self.column() == 0 && self.text[self.offset..].starts_with(mark) && self.stands_alone(3)
    }

    /// Goes over bytes that are no line break.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.offset += bytes;
    }

    /// Goes over the character at the place, which is no line break.
    pub(super) fn advance_character(&mut self) {
        self.offset += self.character().map_or(0, char::len_utf8);
    }

    /// Goes over bytes as long as they are wanted.
    pub(super) fn advance_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.byte().is_some_and(&wanted) {
            self.offset += 1;
        }
    }

    /// Goes to the end of the line.
    pub(super) fn advance_to_break(&mut self) {
        self.advance_while(|byte| !matches!(byte, b'\n' | b'\r'));
    }

    /// Goes over a line break; false if there is none.
    pub(super) fn break_line(&mut self) -> bool {
        let length = self.break_length(0);
        for _ in 0..length {
            let ends = self.byte() == Some(self.ending);
            self.offset += 1;
            if ends {
                self.line += 1;
                self.line_start = self.offset;
            }
        }
        length > 0
    }
}
