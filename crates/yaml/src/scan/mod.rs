//! Text → tokens, as yaml-cpp forms them.
//!
//! Whether a token is a key shows only at the `:` behind it. So a token that can be a key is queued
//! behind a possible key (and, in block style, behind a possible beginning of a mapping). The `:`
//! on the same line confirms both; a line break withdraws them.

mod cursor;
mod keys;
mod properties;
mod scalars;
mod token;

use std::collections::VecDeque;

#[cfg(test)]
pub(crate) use self::scalars::ZERO;
pub(crate) use self::token::{Failure, Token, What};
use self::{
    cursor::Cursor,
    keys::{Indent, PossibleKey},
};
use crate::Limits;

/// The message about a text behind a quoted text.
pub(crate) const BEHIND_QUOTED: &str = "a quoted text ends before this";

const SPACES: &str = "indent with spaces";
const QUOTE: &str = "put the text into quotes if the sign is a part of it";

/// Whether a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Valid,
    Possible,
    Withdrawn,
}

/// The brackets that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Sequence,
    Mapping,
}

/// Makes tokens when they are asked for.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of one thing whether it can follow"
)]
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    cursor: Cursor<'a>,
    limits: Limits,
    queue: VecDeque<(Token<'a>, Status)>,
    /// Tokens that have left the queue.
    taken: usize,
    ended: bool,
    indents: Vec<Indent>,
    /// Indents that there have been.
    indents_made: usize,
    brackets: Vec<Bracket>,
    possible_keys: Vec<PossibleKey>,
    /// Whether a key can begin here.
    key_allowed: bool,
    /// Whether `:` is an indicator without white space behind it, as in JSON.
    behind_json: bool,
    /// Whether a text can follow on this line: none does behind a quoted one.
    text_allowed: bool,
    /// The line on which the last text without quotes begins.
    text_line: usize,
    /// What was accepted, but is probably a mistake.
    pub(crate) warnings: Vec<Failure>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, limits: &Limits) -> Self {
        Self {
            cursor: Cursor::new(text),
            limits: *limits,
            queue: VecDeque::new(),
            taken: 0,
            ended: false,
            indents: Vec::new(),
            indents_made: 0,
            brackets: Vec::new(),
            possible_keys: Vec::new(),
            key_allowed: true,
            behind_json: false,
            text_allowed: true,
            text_line: 0,
            warnings: Vec::new(),
        }
    }

    /// The next token, which stays; none at the end.
    pub(crate) fn peek(&mut self) -> Result<Option<&Token<'a>>, Failure> {
        loop {
            match self.queue.front() {
                Some((_, Status::Withdrawn)) => {
                    self.take();
                }
                Some((_, Status::Valid)) => break,
                _ if self.ended => break,
                _ => self.scan()?,
            }
        }
        Ok(self.queue.front().map(|(token, _)| token))
    }

    /// Takes the token that [`Self::peek`] has shown.
    pub(crate) fn take(&mut self) -> Option<Token<'a>> {
        let (token, _) = self.queue.pop_front()?;
        self.taken += 1;
        Some(token)
    }

    fn in_block(&self) -> bool {
        self.brackets.is_empty()
    }

    /// A failure at the place of the cursor.
    fn fail(&self, message: impl std::fmt::Display) -> Failure {
        Failure::new(self.cursor.offset, message)
    }

    /// Adds a token that ends at the place of the cursor.
    fn push(&mut self, what: What<'a>, start: usize) {
        self.push_as(what, start, Status::Valid);
    }

    fn push_as(&mut self, what: What<'a>, start: usize, status: Status) {
        let end = self.cursor.offset;
        self.queue.push_back((Token { what, start, end }, status));
    }

    /// Adds the token that the next `length` bytes are.
    fn push_next(&mut self, what: What<'a>, length: usize) {
        let start = self.cursor.offset;
        self.cursor.advance(length);
        self.push(what, start);
    }

    /// Adds the next tokens to the queue.
    fn scan(&mut self) -> Result<(), Failure> {
        self.skip();
        self.close_indents_to_here();
        self.bound()?;
        let cursor = &self.cursor;
        let Some(byte) = cursor.byte() else {
            self.close_all();
            self.ended = true;
            return Ok(());
        };
        match byte {
            b'%' if cursor.column() == 0 => self.directive(),
            b'-' if cursor.at_mark("---") => self.document_mark(What::DocumentStart),
            b'.' if cursor.at_mark("...") => self.document_mark(What::DocumentEnd),
            b'[' => self.open(Bracket::Sequence),
            b'{' => self.open(Bracket::Mapping),
            b']' => return self.close(Bracket::Sequence),
            b'}' => return self.close(Bracket::Mapping),
            b',' => {
                self.check_text_allowed()?;
                self.settle_lone_key();
                self.key_allowed = true;
                self.behind_json = false;
                self.push_next(What::Comma, 1);
            }
            b'-' if cursor.stands_alone(1) => return self.item(),
            b'?' if cursor.space_at(1) => return self.key(),
            b':' if self.at_value() => return self.value(),
            b'*' | b'&' => return self.anchor_or_alias(),
            b'!' => return self.tag(),
            b'|' | b'>' if self.in_block() => return self.block_scalar(),
            b'\'' | b'"' => return self.quoted_scalar(byte),
            _ if self.begins_plain(byte) => return self.plain_scalar(),
            _ => {
                let sign = cursor.character().unwrap_or_default();
                let message = format!("a text without quotes cannot begin with '{sign}'");
                return Err(self.fail(message).hint("put the text into quotes"));
            }
        }
        Ok(())
    }

    /// The failure that a sign stands where it has no meaning.
    fn misplaced(&self, message: &'static str) -> Failure {
        self.fail(message)
            .hint(if self.cursor.is_indented_by_tab() {
                SPACES
            } else if self.text_line < self.cursor.line {
                "compare the indentation with the lines above: this one goes on with their text"
            } else {
                QUOTE
            })
    }

    /// Nothing but `:` or a comment follows a quoted text on its line, outside of brackets.
    fn check_text_allowed(&self) -> Result<(), Failure> {
        if self.text_allowed {
            return Ok(());
        }
        let hint = "a quote within the text? write it twice in single quotes, \\\" in double quotes; \
                    and a space follows the ':' of a key";
        Err(self.fail(BEHIND_QUOTED).hint(hint))
    }

    /// Goes over white space and comments.
    fn skip(&mut self) {
        loop {
            while self.cursor.at_blank() {
                if self.in_block() && self.cursor.byte() == Some(b'\t') {
                    self.key_allowed = false;
                }
                self.cursor.advance(1);
            }
            if self.cursor.byte() == Some(b'#') {
                self.cursor.advance_to_break();
            }
            if !self.cursor.break_line() {
                return;
            }
            self.withdraw_key();
            self.text_allowed = true;
            if self.in_block() {
                self.key_allowed = true;
            }
        }
    }

    /// Refuses a text whose tokens would need much memory before the first of them can be taken.
    fn bound(&self) -> Result<(), Failure> {
        // A possible mapping is one level more than there are.
        if self.brackets.len() + self.indents.len() > self.limits.depth + 1 {
            return Err(Failure::with(self.cursor.offset, too_deep(&self.limits)));
        }
        // A key and its value are two values of five tokens.
        if self.queue.len() / 4 > self.limits.nodes {
            let message = format!("more than {} values", self.limits.nodes);
            return Err(Failure::with(self.cursor.offset, message));
        }
        Ok(())
    }

    fn document_mark(&mut self, what: What<'a>) {
        self.close_all();
        self.key_allowed = false;
        self.behind_json = false;
        self.push_next(what, 3);
    }

    fn open(&mut self, bracket: Bracket) {
        self.allow_key_here();
        self.key_allowed = true;
        self.behind_json = false;
        self.brackets.push(bracket);
        let what = match bracket {
            Bracket::Sequence => What::FlowSequence,
            Bracket::Mapping => What::FlowMapping,
        };
        self.push_next(what, 1);
    }

    fn close(&mut self, bracket: Bracket) -> Result<(), Failure> {
        let (what, sign) = match bracket {
            Bracket::Sequence => (What::FlowSequenceEnd, ']'),
            Bracket::Mapping => (What::FlowMappingEnd, '}'),
        };
        match self.brackets.last() {
            None => return Err(self.fail(format!("'{sign}' closes nothing")).hint(QUOTE)),
            Some(open) if *open != bracket => {
                let message = format!("'{sign}' does not close the last bracket");
                return Err(self.fail(message));
            }
            Some(_) => {}
        }
        self.settle_lone_key();
        self.key_allowed = false;
        self.behind_json = true;
        self.brackets.pop();
        self.push_next(what, 1);
        Ok(())
    }

    fn item(&mut self) -> Result<(), Failure> {
        if !self.in_block() {
            return Err(self
                .fail("'-' in brackets begins no item")
                .hint("separate items by commas, and put a text '-' into quotes"));
        }
        if !self.key_allowed {
            return Err(self.misplaced("an item cannot begin here"));
        }
        self.open_indent(keys::Collection::Sequence, Status::Valid);
        self.behind_json = false;
        self.push_next(What::Item, 1);
        Ok(())
    }

    fn key(&mut self) -> Result<(), Failure> {
        if self.in_block() {
            if !self.key_allowed {
                return Err(self.misplaced("a key cannot begin here"));
            }
            self.open_indent(keys::Collection::Mapping, Status::Valid);
        }
        self.key_allowed = self.in_block();
        self.push_next(What::Key, 1);
        Ok(())
    }

    fn at_value(&self) -> bool {
        if self.in_block() {
            return self.cursor.stands_alone(1);
        }
        self.behind_json
            || self.cursor.space_at(1)
            || matches!(self.cursor.at(1), Some(b',' | b']' | b'}'))
    }

    fn value(&mut self) -> Result<(), Failure> {
        let behind_key = self.confirm_key();
        self.behind_json = false;
        if !behind_key && self.in_block() {
            if !self.key_allowed {
                return Err(self.misplaced("no key stands before this ':'"));
            }
            self.open_indent(keys::Collection::Mapping, Status::Valid);
        }
        self.key_allowed = !behind_key && self.in_block();
        self.text_allowed = true;
        self.push_next(What::Value, 1);
        Ok(())
    }
}

/// The message about too many levels.
pub(crate) fn too_deep(limits: &Limits) -> String {
    format!("more than {} levels in each other", limits.depth)
}
