//! Directives, anchors, aliases and tags.

use super::{Failure, Scanner, What};

/// Whether a byte can be part of a tag's handle.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

impl Scanner<'_> {
    pub(super) fn directive(&mut self) {
        self.close_all();
        self.key_allowed = false;
        self.behind_json = false;
        let start = self.cursor.offset;
        self.cursor.advance_to_break();
        self.push(What::Directive(&self.cursor.since(start)[1..]), start);
    }

    pub(super) fn anchor_or_alias(&mut self) -> Result<(), Failure> {
        self.allow_key_here();
        self.key_allowed = false;
        self.behind_json = false;
        let start = self.cursor.offset;
        let is_alias = self.cursor.byte() == Some(b'*');
        let kind = if is_alias { "alias" } else { "anchor" };
        self.cursor.advance(1);
        self.cursor
            .advance_while(|byte| !b"[]{}, \t\r\n".contains(&byte));
        let name = &self.cursor.since(start)[1..];
        if name.is_empty() {
            let hint = "put the text into quotes if it begins with '*' or '&'";
            return Err(self.fail(format!("an {kind} has no name")).hint(hint));
        }
        if matches!(self.cursor.byte(), Some(b'[' | b'{')) {
            return Err(self.fail(format!("a bracket in the name of an {kind}")));
        }
        let what = if is_alias {
            What::Alias(name)
        } else {
            What::Anchor(name)
        };
        self.push(what, start);
        Ok(())
    }

    pub(super) fn tag(&mut self) -> Result<(), Failure> {
        self.allow_key_here();
        self.key_allowed = false;
        self.behind_json = false;
        let start = self.cursor.offset;
        self.cursor.advance(1);
        let makes_text = if self.cursor.byte() == Some(b'<') {
            self.verbatim_tag()?
        } else {
            self.short_tag()?;
            true
        };
        self.push(What::Tag(makes_text), start);
        Ok(())
    }

    /// `<uri>`; an empty one, and `?`, are as no tag.
    fn verbatim_tag(&mut self) -> Result<bool, Failure> {
        self.cursor.advance(1);
        let start = self.cursor.offset;
        while self.in_tag(b"#;/?:@&=+$,_.!~*'()[]") {}
        let uri = self.cursor.since(start);
        if self.cursor.byte() != Some(b'>') {
            return Err(self.fail("a tag that begins with '!<' needs '>' at its end"));
        }
        self.cursor.advance(1);
        Ok(!matches!(uri, "" | "?"))
    }

    /// `!suffix`, `!!suffix`, `!handle!suffix`
    fn short_tag(&mut self) -> Result<(), Failure> {
        const SUFFIX: &[u8] = b"#;/?:@&=+$_.~*'()";
        self.cursor.advance_while(is_word);
        if self.cursor.byte() == Some(b'!') {
            self.cursor.advance(1);
            let start = self.cursor.offset;
            while self.in_tag(SUFFIX) {}
            if self.cursor.offset == start {
                return Err(self.fail("nothing follows the handle of a tag"));
            }
            return Ok(());
        }
        while self.in_tag(SUFFIX) {}
        if self.cursor.byte() == Some(b'!') {
            return Err(self.fail("a sign that no handle of a tag can have"));
        }
        Ok(())
    }

    /// Goes over a letter, digit or `-`, one of `others`, or `%` with two hexadecimal digits.
    fn in_tag(&mut self, others: &[u8]) -> bool {
        let is_hex = |at: usize| self.cursor.at(at).is_some_and(|b| b.is_ascii_hexdigit());
        let length = match self.cursor.byte() {
            Some(byte) if is_word(byte) || others.contains(&byte) => 1,
            Some(b'%') if is_hex(1) && is_hex(2) => 3,
            _ => 0,
        };
        self.cursor.advance(length);
        length > 0
    }
}
