//! Possible keys, and the indentation of lists and mappings in block style.

use super::{Bracket, Scanner, Status, What};

/// A list or mapping in block style that is open.
#[derive(Debug)]
pub(super) struct Indent {
    number: usize,
    column: isize,
    collection: Collection,
    status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    Sequence,
    Mapping,
}

/// A token that is a key if `:` follows.
#[derive(Debug)]
pub(super) struct PossibleKey {
    offset: usize,
    line: usize,
    /// Number of brackets around it.
    brackets: usize,
    /// The mapping that begins with it, if none was open at its column.
    indent: Option<usize>,
    /// Number of its token, counted from the beginning of the text.
    token: usize,
}

/// Most bytes from the beginning of a key to its `:`.
const KEY_MAX: usize = 1024;

impl Scanner<'_> {
    /// The column of the innermost list or mapping in block style; -1 outside of all.
    pub(super) fn indentation(&self) -> isize {
        self.indents.last().map_or(-1, |indent| indent.column)
    }

    /// Begins a list or mapping here, if none of that column is open; returns its number.
    pub(super) fn open_indent(&mut self, collection: Collection, status: Status) -> Option<usize> {
        let column = self.cursor.column();
        let begins = self.in_block()
            && match self.indents.last() {
                None => true,
                // A list can stand at the column of its key.
                Some(last) if last.column == column => {
                    (collection, last.collection) == (Collection::Sequence, Collection::Mapping)
                }
                Some(last) => last.column < column,
            };
        if !begins {
            return None;
        }
        let what = match collection {
            Collection::Sequence => What::BlockSequence,
            Collection::Mapping => What::BlockMapping,
        };
        self.push_as(what, self.cursor.offset, status);
        self.indents_made += 1;
        self.indents.push(Indent {
            number: self.indents_made,
            column,
            collection,
            status,
        });
        Some(self.indents_made)
    }

    /// Ends the lists and mappings to which this column does not belong.
    pub(super) fn close_indents_to_here(&mut self) {
        if !self.in_block() {
            return;
        }
        let column = self.cursor.column();
        let at_item = self.cursor.byte() == Some(b'-') && self.cursor.stands_alone(1);
        while let Some(last) = self.indents.last() {
            let goes_on = last.column < column
                || last.column == column && (last.collection == Collection::Mapping || at_item);
            if goes_on && last.status != Status::Withdrawn {
                break;
            }
            self.close_indent();
        }
    }

    /// Ends all lists and mappings in block style, and forgets possible keys.
    pub(super) fn close_all(&mut self) {
        if self.in_block() {
            while !self.indents.is_empty() {
                self.close_indent();
            }
        }
        self.possible_keys.clear();
    }

    fn close_indent(&mut self) {
        let Some(indent) = self.indents.pop() else {
            return;
        };
        if indent.status != Status::Valid {
            self.withdraw_key();
            return;
        }
        let what = match indent.collection {
            Collection::Sequence => What::BlockSequenceEnd,
            Collection::Mapping => What::BlockMappingEnd,
        };
        self.push(what, self.cursor.offset);
    }

    /// Notes that the token which begins here can be a key.
    pub(super) fn allow_key_here(&mut self) {
        let brackets = self.brackets.len();
        let waits = |key: &PossibleKey| key.brackets == brackets;
        if !self.key_allowed || self.possible_keys.last().is_some_and(waits) {
            return;
        }
        let indent = self.open_indent(Collection::Mapping, Status::Possible);
        self.possible_keys.push(PossibleKey {
            offset: self.cursor.offset,
            line: self.cursor.line,
            brackets,
            indent,
            token: self.taken + self.queue.len(),
        });
        self.push_as(What::Key, self.cursor.offset, Status::Possible);
    }

    /// The possible key in the innermost brackets is none.
    pub(super) fn withdraw_key(&mut self) {
        if let Some(key) = self.waiting_key() {
            self.settle(&key, Status::Withdrawn);
        }
    }

    /// Whether a key stands before this `:`; it is one from now on.
    pub(super) fn confirm_key(&mut self) -> bool {
        let Some(key) = self.waiting_key() else {
            return false;
        };
        let fits = key.line == self.cursor.line && self.cursor.offset - key.offset <= KEY_MAX;
        self.settle(
            &key,
            if fits {
                Status::Valid
            } else {
                Status::Withdrawn
            },
        );
        fits
    }

    /// At a comma or closing bracket: a key without `:` is one in `{}`, and none in `[]`.
    pub(super) fn settle_lone_key(&mut self) {
        match self.brackets.last().copied() {
            Some(Bracket::Sequence) => self.withdraw_key(),
            Some(Bracket::Mapping) if self.confirm_key() => {
                self.push(What::Value, self.cursor.offset);
            }
            _ => {}
        }
    }

    /// Takes the possible key in the innermost brackets.
    fn waiting_key(&mut self) -> Option<PossibleKey> {
        let brackets = self.brackets.len();
        self.possible_keys.pop_if(|key| key.brackets == brackets)
    }

    fn settle(&mut self, key: &PossibleKey, status: Status) {
        let Some(place) = key.token.checked_sub(self.taken) else {
            return;
        };
        if let Some(token) = self.queue.get_mut(place) {
            token.1 = status;
        }
        let Some(number) = key.indent else {
            return;
        };
        // The beginning of the mapping stands before its first key.
        if let Some(token) = place
            .checked_sub(1)
            .and_then(|place| self.queue.get_mut(place))
        {
            token.1 = status;
        }
        if let Some(indent) = self
            .indents
            .iter_mut()
            .rfind(|indent| indent.number == number)
        {
            indent.status = status;
        }
    }
}
