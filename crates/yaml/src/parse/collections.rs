//! Lists and mappings.

use rustc_hash::FxHashSet;

use super::{Failure, Loader};
use crate::{Diagnostic, Kind, Node, scan::What};

const LINES: &str = "compare the indentation with the lines above";

/// The entries of a mapping that is open.
#[derive(Default)]
struct Entries {
    entries: Vec<(Node, Node)>,
    keys: FxHashSet<Box<str>>,
}

impl Loader<'_> {
    pub(super) fn block_sequence(&mut self) -> Result<Kind, Failure> {
        self.take();
        let mut items = Vec::new();
        loop {
            match self.peek()? {
                Some(What::Item) => {
                    self.take();
                }
                Some(What::BlockSequenceEnd) => {
                    self.take();
                    return Ok(Kind::Sequence(items));
                }
                _ => return Err(self.unexpected("'-' of the next item", LINES)),
            }
            items.push(match self.peek()? {
                Some(What::Item | What::BlockSequenceEnd) => self.null()?,
                _ => self.node(false)?,
            });
        }
    }

    pub(super) fn flow_sequence(&mut self) -> Result<Kind, Failure> {
        let start = self.take().map_or(self.end, |token| token.start);
        let mut items = Vec::new();
        loop {
            if self.take_if(&What::FlowSequenceEnd)? {
                return Ok(Kind::Sequence(items));
            }
            self.not_at_the_end(start)?;
            items.push(self.node(true)?);
            self.separator(start, &What::FlowSequenceEnd, "',' or ']'")?;
        }
    }

    pub(super) fn block_mapping(&mut self) -> Result<Kind, Failure> {
        self.take();
        let mut entries = Entries::default();
        loop {
            let key = match self.peek()? {
                Some(What::Key) => {
                    self.take();
                    self.node(false)?
                }
                Some(What::Value) => self.null()?,
                Some(What::BlockMappingEnd) => {
                    self.take();
                    return Ok(Kind::Mapping(entries.entries));
                }
                _ => return Err(self.unexpected("the next key", LINES)),
            };
            self.value(&mut entries, key)?;
        }
    }

    pub(super) fn flow_mapping(&mut self) -> Result<Kind, Failure> {
        let start = self.take().map_or(self.end, |token| token.start);
        let mut entries = Entries::default();
        loop {
            if self.take_if(&What::FlowMappingEnd)? {
                return Ok(Kind::Mapping(entries.entries));
            }
            self.not_at_the_end(start)?;
            let key = if self.take_if(&What::Key)? {
                self.node(false)?
            } else {
                self.null()?
            };
            self.value(&mut entries, key)?;
            self.separator(start, &What::FlowMappingEnd, "',' or '}'")?;
        }
    }

    /// `key: value` in `[]`, without braces.
    pub(super) fn pair(&mut self) -> Result<Kind, Failure> {
        self.take();
        let key = self.node(false)?;
        let mut entries = Entries::default();
        self.value(&mut entries, key)?;
        Ok(Kind::Mapping(entries.entries))
    }

    /// `: value` where a node can stand.
    pub(super) fn mapping_without_key(&mut self) -> Result<Node, Failure> {
        self.nested(|loader| {
            let key = loader.null()?;
            let mut entries = Entries::default();
            loader.value(&mut entries, key)?;
            Ok(Kind::Mapping(entries.entries))
        })
    }

    /// Reads the value of a key, if there is one.
    fn value(&mut self, all: &mut Entries, key: Node) -> Result<(), Failure> {
        if let Some(text) = key.as_str()
            && !all.keys.insert(text.into())
        {
            self.warn(|source| {
                let message = format!("key '{text}' is here twice");
                Diagnostic::warning(source, key.position, message)
                    .width(text.chars().count())
                    .hint("the first one counts; remove the other")
            });
        }
        let value = if self.take_if(&What::Value)? {
            self.node(false)?
        } else {
            self.null()?
        };
        all.entries.push((key, value));
        Ok(())
    }

    /// Takes the comma; a closing bracket stays.
    fn separator(&mut self, start: usize, end: &What<'_>, expected: &str) -> Result<(), Failure> {
        if self.take_if(&What::Comma)? {
            return Ok(());
        }
        self.not_at_the_end(start)?;
        if self.peek()? == Some(end) {
            return Ok(());
        }
        Err(self.unexpected(expected, "close the bracket, or put the text into quotes"))
    }

    fn not_at_the_end(&mut self, start: usize) -> Result<(), Failure> {
        if self.peek()?.is_none() {
            return Err(Failure::new(start, "this bracket is not closed"));
        }
        Ok(())
    }
}
