//! Tokens → documents, within limits.

use rustc_hash::FxHashMap;

use super::{
    Diagnostic, Kind, Node, Source, Style,
    places::Places,
    scan::{Failure, Scanner, Token, What, too_deep},
};

mod anchors;
mod collections;
mod directives;

use self::{anchors::Anchor, directives::Directives};

/// Limits for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the text; aliases repeat no more than that either.
    pub bytes: usize,
    /// Most levels of nested lists and mappings.
    pub depth: usize,
    /// Most nodes; each alias, and each anchor once more, counts with all of its nodes.
    pub nodes: usize,
    /// Most documents: what stands behind the last of them is not read.
    pub documents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            depth: 64,
            nodes: 1 << 20,
            documents: usize::MAX,
        }
    }
}

/// The documents of a text.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// One node for each document; an empty document is a null scalar.
    pub documents: Vec<Node>,
    /// What was read, but is probably a mistake: a key that a mapping has twice, a text behind the
    /// last document that is read, bytes that are no text, an open quote at the end.
    pub warnings: Vec<Diagnostic>,
}

/// Most warnings about one text: enough for any file, few for a file of random bytes.
const WARNINGS_MAX: usize = 100;

/// Parses a text with one or more documents.
///
/// # Errors
/// If the text is no YAML, or exceeds a limit.
pub fn parse(source: &Source, limits: &Limits) -> Result<Parsed, Diagnostic> {
    if source.text().len() > limits.bytes {
        let message = format!(
            "file has {} bytes, more than the {} that are read",
            source.text().len(),
            limits.bytes
        );
        return Err(Diagnostic::error(source, source.position(0), message)
            .hint("split the file into several ones"));
    }
    let mut loader = Loader {
        source,
        limits,
        scanner: Scanner::new(source.text(), limits),
        directives: Directives::default(),
        places: Places::new(source.text()),
        end: 0,
        depth: 0,
        nodes: 0,
        repeated: 0,
        anchors: FxHashMap::default(),
        parsed: Parsed::default(),
    };
    loader.bytes_that_are_no_text();
    let result = loader.documents();
    for warning in std::mem::take(&mut loader.scanner.warnings) {
        loader.warn(|source| {
            Diagnostic::warning(source, source.position(warning.offset), warning.message)
        });
    }
    let parsed = loader.parsed;
    result.map(|()| parsed).map_err(|failure| {
        let position = source.position(failure.offset);
        let diagnostic = Diagnostic::error(source, position, failure.message);
        match failure.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    })
}

struct Loader<'a> {
    source: &'a Source,
    limits: &'a Limits,
    scanner: Scanner<'a>,
    directives: Directives,
    places: Places<'a>,
    /// Offset behind the last token that was taken.
    end: usize,
    /// Lists and mappings that are open.
    depth: usize,
    nodes: usize,
    /// Bytes of texts that aliases have repeated.
    repeated: usize,
    anchors: FxHashMap<&'a str, Option<Anchor>>,
    parsed: Parsed,
}

/// What stands before a node.
#[derive(Default)]
struct Properties<'a> {
    anchor: Option<&'a str>,
    makes_text: bool,
}

impl<'a> Loader<'a> {
    fn peek(&mut self) -> Result<Option<&What<'a>>, Failure> {
        Ok(self.scanner.peek()?.map(|token| &token.what))
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let token = self.scanner.take();
        if let Some(token) = &token {
            self.end = token.end;
        }
        token
    }

    /// Takes the next token if it is that one.
    fn take_if(&mut self, what: &What<'_>) -> Result<bool, Failure> {
        let is_next = self.peek()? == Some(what);
        if is_next {
            self.take();
        }
        Ok(is_next)
    }

    /// The failure that the next token is not what was expected.
    fn unexpected(&mut self, expected: &str, hint: &'static str) -> Failure {
        match self.scanner.peek() {
            Err(failure) => failure,
            Ok(None) => Failure::new(
                self.source.text().len(),
                format!("expected {expected}, not the end of the text"),
            ),
            Ok(Some(token)) => {
                let message = format!("expected {expected}, not {}", token.what.describe());
                Failure::new(token.start, message).hint(hint)
            }
        }
    }

    /// Adds a warning, if there are not too many.
    fn warn(&mut self, warning: impl FnOnce(&Source) -> Diagnostic) {
        if self.parsed.warnings.len() < WARNINGS_MAX {
            self.parsed.warnings.push(warning(self.source));
        }
    }

    /// Replaced bytes would change the meaning of a text without a word.
    fn bytes_that_are_no_text(&mut self) {
        let text = self.source.text().as_bytes();
        if let Some(offset) = memchr::memmem::find(text, "\u{fffd}".as_bytes()) {
            let message = "bytes that are no UTF-8 text, read as U+FFFD";
            self.warn(|source| {
                Diagnostic::warning(source, source.position(offset), message)
                    .hint("save the file as UTF-8")
            });
        }
    }

    fn documents(&mut self) -> Result<(), Failure> {
        loop {
            self.directives()?;
            let Some(token) = self.scanner.peek()? else {
                return Ok(());
            };
            let start = token.start;
            if self.parsed.documents.len() >= self.limits.documents {
                self.warn(|source| {
                    let message = "what stands from here on is not read";
                    Diagnostic::warning(source, source.position(start), message)
                        .hint("only the first document counts: remove the others")
                });
                return Ok(());
            }
            let begun = self.take_if(&What::DocumentStart)?;
            self.anchors.clear();
            let node = self.node(false)?;
            let mut ended = false;
            while self.take_if(&What::DocumentEnd)? {
                ended = true;
            }
            // A sign that no node can begin with would give empty documents for ever.
            let is_stuck = !begun && !ended && self.end <= start && node.is_null();
            if is_stuck && self.peek()?.is_some() {
                return Err(self.unexpected("a text, a list or a mapping", "remove the sign"));
            }
            self.parsed.documents.push(node);
        }
    }

    /// The next node; `in_list` says whether it stands directly in `[]`.
    fn node(&mut self, in_list: bool) -> Result<Node, Failure> {
        match self.peek()? {
            None => return self.null(),
            Some(What::Value) => return self.mapping_without_key(),
            Some(What::Alias(name)) => {
                let name = *name;
                return self.alias(name);
            }
            Some(_) => {}
        }
        let properties = self.properties()?;
        let node = self.content(in_list, properties.makes_text)?;
        if let Some(name) = properties.anchor {
            self.keep(name, &node)?;
        }
        Ok(node)
    }

    fn properties(&mut self) -> Result<Properties<'a>, Failure> {
        let mut properties = Properties::default();
        while let Some(token) = self.scanner.peek()? {
            let start = token.start;
            match token.what {
                What::Anchor(_) if properties.anchor.is_some() => {
                    return Err(Failure::new(start, "a second anchor of one node"));
                }
                What::Tag(_) if properties.makes_text => {
                    return Err(Failure::new(start, "a second tag of one node"));
                }
                What::Anchor(name) => {
                    properties.anchor = Some(name);
                    self.anchors.insert(name, None);
                }
                What::Tag(makes_text) => properties.makes_text = makes_text,
                _ => break,
            }
            self.take();
        }
        Ok(properties)
    }

    fn content(&mut self, in_list: bool, makes_text: bool) -> Result<Node, Failure> {
        match self.peek()? {
            Some(What::Scalar(..)) => {}
            Some(What::FlowSequence) => return self.nested(Self::flow_sequence),
            Some(What::BlockSequence) => return self.nested(Self::block_sequence),
            Some(What::FlowMapping) => return self.nested(Self::flow_mapping),
            Some(What::BlockMapping) => return self.nested(Self::block_mapping),
            Some(What::Key) if in_list => return self.nested(Self::pair),
            Some(_) if makes_text => return self.scalar("".into(), Style::Tagged, self.end),
            _ => return self.null(),
        }
        match self.take() {
            Some(Token {
                what: What::Scalar(text, style),
                start,
                ..
            }) => {
                let style = match style {
                    Style::Plain if makes_text => Style::Tagged,
                    style => style,
                };
                self.scalar(text.into(), style, start)
            }
            // The token was a scalar when it was looked at.
            _ => self.null(),
        }
    }

    /// Reads a list or mapping, one level further in.
    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Kind, Failure>,
    ) -> Result<Node, Failure> {
        let start = self.scanner.peek()?.map_or(self.end, |token| token.start);
        self.bound_depth(start, 1)?;
        let position = self.places.position(start);
        self.depth += 1;
        let kind = read(self)?;
        self.depth -= 1;
        self.count(start, 1)?;
        Ok(Node { kind, position })
    }

    fn scalar(&mut self, text: Box<str>, style: Style, start: usize) -> Result<Node, Failure> {
        self.count(start, 1)?;
        Ok(Node {
            kind: Kind::Scalar(text, style),
            position: self.places.position(start),
        })
    }

    /// The null of a key or an element behind which the text has no value.
    fn null(&mut self) -> Result<Node, Failure> {
        self.scalar("".into(), Style::Plain, self.end)
    }

    fn bound_depth(&self, offset: usize, levels: usize) -> Result<(), Failure> {
        if self.depth + levels > self.limits.depth {
            return Err(Failure::with(offset, too_deep(self.limits)));
        }
        Ok(())
    }

    fn count(&mut self, offset: usize, nodes: usize) -> Result<(), Failure> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.nodes {
            let message = format!("more than {} values", self.limits.nodes);
            return Err(
                Failure::with(offset, message).hint("aliases count with all that they stand for")
            );
        }
        Ok(())
    }
}
