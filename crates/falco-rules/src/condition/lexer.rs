//! Tokens of a condition, as Falco reads them: the position of a word decides its meaning.

use super::{Modifier, Operator};
use crate::fields::{number_len, quoted};

/// A position in a condition that moves forward.
pub(super) struct Lexer<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

const BLANKS: [char; 5] = [' ', '\t', '\u{8}', '\r', '\n'];

impl<'a> Lexer<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips white space; returns whether there was any.
    pub(super) fn blank(&mut self) -> bool {
        let rest = self.rest();
        let len = rest.len() - rest.trim_start_matches(BLANKS).len();
        self.at += len;
        len > 0
    }

    pub(super) fn take(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    /// `and` or `or`, with a blank or a parenthesis behind it.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        match self.rest().strip_prefix(word) {
            Some(rest) if rest.is_empty() || rest.starts_with(BLANKS) || rest.starts_with('(') => {
                self.at += word.len();
                true
            }
            _ => false,
        }
    }

    /// An operator. No letter follows an operator of letters.
    pub(super) fn operator(&mut self) -> Option<Operator> {
        let rest = self.rest();
        let (name, operator) = Operator::ALL.into_iter().find(|(name, _)| {
            rest.strip_prefix(name).is_some_and(|behind| {
                !name.ends_with(|c: char| c.is_ascii_alphabetic()) || !behind.starts_with(is_word)
            })
        })?;
        self.at += name.len();
        Some(operator)
    }

    /// A modifier such as `anyof`, if a list or the name of one follows.
    pub(super) fn modifier(&mut self) -> Option<Modifier> {
        let rest = self.rest();
        let (name, modifier) = Modifier::ALL.into_iter().find(|(name, _)| {
            rest.strip_prefix(name).is_some_and(|behind| {
                let mut list = Lexer {
                    text: behind,
                    at: 0,
                };
                let blank = list.blank();
                list.rest().starts_with('(')
                    || (blank && list.identifier().is_some_and(|word| !is_keyword(word)))
            })
        })?;
        self.at += name.len();
        Some(modifier)
    }

    /// The word to write in place of a sign that other languages have.
    pub(super) fn foreign(&self) -> Option<&'static str> {
        const FOREIGN: [(&str, &str); 7] = [
            ("&&", "and"),
            ("||", "or"),
            ("!", "not"),
            ("AND", "and"),
            ("OR", "or"),
            ("NOT", "not"),
            ("=~", "regex"),
        ];
        let found = FOREIGN
            .iter()
            .find(|(sign, _)| self.rest().starts_with(sign));
        found.map(|(_, word)| *word)
    }

    /// The name of a macro: letters, digits, `_`.
    pub(super) fn identifier(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        self.at += len;
        Some(&rest[..len])
    }

    /// A text in quotes.
    pub(super) fn quoted(&mut self) -> Option<Box<str>> {
        let (text, len) = quoted(self.rest())?;
        self.at += len;
        Some(text.into())
    }

    /// A number, which ends where its digits do.
    pub(super) fn number(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let len = number_len(rest)?;
        self.at += len;
        Some(&rest[..len])
    }

    /// A word: anything but blanks, quotes, parentheses, commas and equals signs.
    pub(super) fn bare(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let len = rest
            .find(|c: char| {
                c.is_ascii_whitespace() || matches!(c, '\u{b}' | '(' | ')' | '"' | '\'' | '=' | ',')
            })
            .unwrap_or(rest.len());
        self.at += len;
        (len > 0).then_some(&rest[..len])
    }

    /// The text at the position, for messages.
    pub(super) fn found(&self) -> String {
        let rest = self.rest();
        if rest.is_empty() {
            return "the end".to_owned();
        }
        let word = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | ','))
            .unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let word = word.max(first);
        let short: String = rest[..word].chars().take(40).collect();
        format!("'{short}'")
    }
}

/// Whether a word joins conditions.
pub(super) fn is_keyword(word: &str) -> bool {
    matches!(word, "and" | "or" | "not")
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
