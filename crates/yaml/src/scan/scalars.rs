//! Texts: without quotes, in quotes, and as blocks.

use std::borrow::Cow;

use super::{Failure, SPACES, Scanner, What};
use crate::Style;

/// The message about a zero byte.
pub(crate) const ZERO: &str = "a zero byte in a text without quotes";

/// What is written at the end of a block for its line breaks at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    /// `-`: none.
    Strip,
    /// One at most.
    Clip,
    /// `+`: all.
    Keep,
}

/// Removes line breaks at the end of a text, but none of the first `fixed` bytes: what stands up to
/// the last escape sequence.
fn chomp(text: &mut String, fixed: Option<usize>, chomping: Chomping) {
    let content = text.trim_end_matches('\n').len();
    let kept = match (chomping, fixed) {
        (Chomping::Keep, _) => return,
        (Chomping::Strip, _) => content,
        // yaml-cpp leaves two line breaks behind an escape sequence, and one behind other text.
        (Chomping::Clip, Some(fixed)) if content <= fixed => fixed + 2,
        (Chomping::Clip, _) if content == 0 => 0,
        (Chomping::Clip, _) => content + 1,
    };
    text.truncate(kept);
}

impl<'a> Scanner<'a> {
    /// Whether a text without quotes can begin with this byte.
    pub(super) fn begins_plain(&self, byte: u8) -> bool {
        match byte {
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\''
            | b'"' | b'%' | b'@' | b'`' => false,
            b'-' | b':' => !self.cursor.stands_alone(1),
            b'?' => self.in_block() && !self.cursor.stands_alone(1),
            _ => true,
        }
    }

    /// Whether a text without quotes ends here.
    fn ends_plain(&self) -> bool {
        let Some(byte) = self.cursor.byte() else {
            return true;
        };
        let in_brackets = !self.in_block();
        match byte {
            b':' => {
                let sign = self.cursor.at(1);
                self.cursor.stands_alone(1)
                    || in_brackets && matches!(sign, Some(b',' | b']' | b'}'))
            }
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => in_brackets,
            b' ' | b'\t' => self.cursor.at(1) == Some(b'#'),
            b'\r' | b'\n' => self.cursor.at(self.cursor.break_length(0)) == Some(b'#'),
            _ => false,
        }
    }

    fn at_document_mark(&self) -> bool {
        self.cursor.at_mark("---") || self.cursor.at_mark("...")
    }

    pub(super) fn plain_scalar(&mut self) -> Result<(), Failure> {
        self.check_text_allowed()?;
        self.text_line = self.cursor.line;
        let indent = if self.in_block() {
            self.indentation() + 1
        } else {
            0
        };
        self.allow_key_here();
        let start = self.cursor.offset;
        let mut end = start;
        let mut from = start;
        let mut lines = String::new();
        let mut was_empty = false;
        let mut ended_by_indentation = false;
        loop {
            while !self.ends_plain() && !self.cursor.at_break() && !self.at_document_mark() {
                self.cursor.advance(1);
            }
            let line = self.cursor.since(from).trim_end_matches([' ', '\t']);
            if !line.is_empty() {
                end = from + line.len();
            }
            if self.ends_plain() || self.at_document_mark() {
                if from == start {
                    let what = What::Scalar(Cow::Borrowed(line), Style::Plain);
                    return self.finish_plain(what, start, end, false);
                }
                lines += line;
                break;
            }
            lines += line;
            self.cursor.break_line();
            self.skip_indentation(indent)?;
            let is_empty = self.cursor.at_break();
            if is_empty {
                lines.push('\n');
            } else if !was_empty {
                lines.push(' ');
            }
            was_empty = is_empty;
            from = self.cursor.offset;
            if !is_empty && self.cursor.column() < indent {
                ended_by_indentation = true;
                break;
            }
            if self.cursor.byte().is_none() {
                break;
            }
        }
        let text = lines.trim_end_matches([' ', '\t']).trim_end_matches('\n');
        let what = What::Scalar(Cow::Owned(text.to_owned()), Style::Plain);
        self.finish_plain(what, start, end, ended_by_indentation)
    }

    fn finish_plain(
        &mut self,
        what: What<'a>,
        start: usize,
        end: usize,
        ended_by_indentation: bool,
    ) -> Result<(), Failure> {
        self.check_zero(start)?;
        self.key_allowed = ended_by_indentation;
        self.behind_json = false;
        self.push(what, start);
        if let Some((token, _)) = self.queue.back_mut() {
            token.end = end;
        }
        Ok(())
    }

    /// A text outside of double quotes cannot have a zero byte: yaml-cpp takes the byte for the
    /// beginning of an escape sequence.
    fn check_zero(&self, start: usize) -> Result<(), Failure> {
        match self.cursor.since(start).find('\0') {
            Some(at) => Err(Failure::new(start + at, ZERO)),
            None => Ok(()),
        }
    }

    /// Goes over the blanks before a further line of a text without quotes.
    fn skip_indentation(&mut self, indent: isize) -> Result<(), Failure> {
        while self.cursor.at_blank() {
            if self.cursor.byte() == Some(b'\t') && self.cursor.column() < indent {
                return Err(self.tab());
            }
            if self.ends_plain() {
                break;
            }
            self.cursor.advance(1);
        }
        Ok(())
    }

    fn tab(&self) -> Failure {
        self.fail("a tab in the indentation").hint(SPACES)
    }

    pub(super) fn quoted_scalar(&mut self, quote: u8) -> Result<(), Failure> {
        self.check_text_allowed()?;
        self.allow_key_here();
        let start = self.cursor.offset;
        self.cursor.advance(1);
        let text = self.quoted_text(quote, start)?;
        self.key_allowed = false;
        self.behind_json = true;
        self.text_allowed = !self.in_block();
        let style = if quote == b'"' {
            Style::DoubleQuoted
        } else {
            Style::SingleQuoted
        };
        self.push(What::Scalar(text, style), start);
        Ok(())
    }

    /// The text up to the closing quote, which is gone over.
    fn quoted_text(&mut self, quote: u8, start: usize) -> Result<Cow<'a, str>, Failure> {
        let mut text = String::new();
        let mut was_empty = false;
        // Bytes up to the last escape sequence: white space there is wanted.
        let mut fixed = None;
        loop {
            if self.cursor.byte().is_none() {
                // yaml-cpp takes the end of the text for the quote, if a line begins there.
                self.warnings
                    .push(Failure::with(start, "this quote is not closed"));
                chomp(&mut text, fixed, Chomping::Clip);
                return Ok(Cow::Owned(text));
            }
            let mut floor = text.len();
            let mut from = self.cursor.offset;
            let mut is_joined = false;
            while !self.cursor.at_break() {
                if self.at_document_mark() {
                    return Err(self.fail("a document begins or ends inside of a quoted text"));
                }
                let Some(byte) = self.cursor.byte() else {
                    return Err(Failure::new(start, "this quote is not closed"));
                };
                if byte == quote && !(quote == b'\'' && self.cursor.at(1) == Some(quote)) {
                    let line = self.cursor.since(from);
                    self.cursor.advance(1);
                    if text.is_empty() && from == start + 1 {
                        return Ok(Cow::Borrowed(line));
                    }
                    text += line;
                    chomp(&mut text, fixed, Chomping::Clip);
                    return Ok(Cow::Owned(text));
                }
                if byte != quote && (byte != b'\\' || quote == b'\'') {
                    self.cursor.advance(1);
                    continue;
                }
                text += self.cursor.since(from);
                if byte == b'\\' && self.cursor.break_length(1) > 0 {
                    self.cursor.advance(1);
                    is_joined = true;
                } else {
                    text.push(self.escape(quote)?);
                }
                floor = text.len();
                fixed = Some(floor);
                from = self.cursor.offset;
            }
            text += self.cursor.since(from);
            let line = text[floor..].trim_end_matches([' ', '\t']).len();
            text.truncate(floor + line);
            self.cursor.break_line();
            self.cursor
                .advance_while(|byte| matches!(byte, b' ' | b'\t'));
            let is_empty = self.cursor.at_break();
            if is_empty {
                text.push('\n');
            } else if !was_empty && !is_joined {
                text.push(' ');
            }
            was_empty = is_empty;
        }
    }

    /// The character for which an escape sequence stands.
    fn escape(&mut self, quote: u8) -> Result<char, Failure> {
        let start = self.cursor.offset;
        self.cursor.advance(1);
        let sign = self.cursor.character();
        self.cursor.advance_character();
        if quote == b'\'' {
            return Ok('\'');
        }
        let digits = match sign {
            Some('0') => return Ok('\0'),
            Some('a') => return Ok('\x07'),
            Some('b') => return Ok('\x08'),
            Some('t' | '\t') => return Ok('\t'),
            Some('n') => return Ok('\n'),
            Some('v') => return Ok('\x0b'),
            Some('f') => return Ok('\x0c'),
            Some('r') => return Ok('\r'),
            Some('e') => return Ok('\x1b'),
            Some('N') => return Ok('\u{85}'),
            Some('_') => return Ok('\u{a0}'),
            Some('L') => return Ok('\u{2028}'),
            Some('P') => return Ok('\u{2029}'),
            Some(sign @ (' ' | '"' | '\'' | '\\' | '/')) => return Ok(sign),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => {
                let message = format!("'\\{}' is no escape sequence", sign.unwrap_or_default());
                return Err(Failure::new(start, message)
                    .hint("write \\\\ for a backslash, or use single quotes"));
            }
        };
        let mut value = 0;
        for _ in 0..digits {
            let digit = self.cursor.character().and_then(|c| c.to_digit(16));
            let Some(digit) = digit else {
                let message = format!("{digits} hexadecimal digits must follow");
                return Err(Failure::new(start, message));
            };
            value = value << 4 | digit;
            self.cursor.advance(1);
        }
        char::from_u32(value).ok_or_else(|| Failure::new(start, "no character has this number"))
    }

    /// `|` or `>` with its text.
    pub(super) fn block_scalar(&mut self) -> Result<(), Failure> {
        let header = self.cursor.offset;
        let is_folded = self.cursor.byte() == Some(b'>');
        self.cursor.advance(1);
        let mut chomping = Chomping::Clip;
        let mut digit = None;
        // An indicator of each sort, in either order.
        for _ in 0..2 {
            match self.cursor.byte() {
                Some(b'+') if chomping == Chomping::Clip => chomping = Chomping::Keep,
                Some(b'-') if chomping == Chomping::Clip => chomping = Chomping::Strip,
                Some(b'0') if digit.is_none() => {
                    return Err(self.fail("a block cannot be indented by 0"));
                }
                Some(byte @ b'1'..=b'9') if digit.is_none() => digit = Some(byte - b'0'),
                _ => break,
            }
            self.cursor.advance(1);
        }
        self.cursor
            .advance_while(|byte| matches!(byte, b' ' | b'\t'));
        if self.cursor.byte() == Some(b'#') {
            self.cursor.advance_to_break();
        }
        if self.cursor.byte().is_some() && !self.cursor.at_break() {
            return Err(self
                .fail("the text of a block begins on the next line")
                .hint("put the text into quotes if '|' or '>' is a part of it"));
        }
        let end = self.cursor.offset;
        let indent = self.indentation().max(0) + isize::from(digit.unwrap_or(1).cast_signed());
        let (mut text, start) = self.block_text(indent, digit.is_none(), is_folded)?;
        self.check_zero(end)?;
        chomp(&mut text, None, chomping);
        self.key_allowed = true;
        self.behind_json = false;
        let start = start.unwrap_or(header);
        self.push(What::Scalar(Cow::Owned(text), Style::Block), start);
        if start == header
            && let Some((token, _)) = self.queue.back_mut()
        {
            token.end = end;
        }
        Ok(())
    }

    /// The lines of a block, and the offset of the first character.
    fn block_text(
        &mut self,
        mut indent: isize,
        find_indent: bool,
        is_folded: bool,
    ) -> Result<(String, Option<usize>), Failure> {
        let mut text = String::new();
        let mut start = None;
        let mut is_first_break = true;
        let (mut was_empty, mut was_deeper) = (false, false);
        // Empty lines in a row, and whether a more indented line stands before them.
        let (mut empty_lines, mut behind_deeper) = (0, false);
        loop {
            let from = self.cursor.offset;
            self.cursor.advance_to_break();
            if self.cursor.offset > from {
                start.get_or_insert(from);
                is_first_break = false;
            }
            text += self.cursor.since(from);
            if !self.cursor.break_line() {
                break;
            }
            let finds = find_indent && start.is_none();
            while self.cursor.byte() == Some(b' ') && (finds || self.cursor.column() < indent) {
                self.cursor.advance(1);
            }
            if finds {
                indent = indent.max(self.cursor.column());
            }
            let below = self.cursor.column() < indent;
            if below && self.cursor.byte() == Some(b'\t') {
                return Err(self.tab());
            }
            let is_empty = self.cursor.at_break();
            let is_deeper = self.cursor.at_blank();
            if is_folded && empty_lines == 0 && is_empty {
                behind_deeper = was_deeper;
            }
            let is_content = !std::mem::take(&mut is_first_break);
            if is_content && !is_folded {
                text.push('\n');
            } else if is_content {
                if is_empty {
                    empty_lines += 1;
                } else if was_empty || was_deeper || is_deeper || below {
                    text.push('\n');
                } else {
                    text.push(' ');
                }
                if !is_empty && empty_lines > 0 {
                    let all = behind_deeper || is_deeper || start.is_none();
                    text.extend(std::iter::repeat_n('\n', empty_lines - usize::from(!all)));
                    empty_lines = 0;
                }
            }
            was_empty = is_empty;
            was_deeper = is_deeper;
            if !is_empty && below {
                break;
            }
        }
        Ok((text, start))
    }
}
