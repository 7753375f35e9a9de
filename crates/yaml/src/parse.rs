//! Text → nodes, within limits.

use std::collections::HashMap;

use rustc_hash::{FxBuildHasher, FxHashSet};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Diagnostic, Kind, Node, Position, Source, Style};

/// Limits for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the text.
    pub bytes: usize,
    /// Most levels of nested lists and mappings.
    pub depth: usize,
    /// Most nodes; each alias counts with all nodes of its anchor.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            depth: 64,
            nodes: 1 << 20,
        }
    }
}

/// The documents of a text.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// One node for each document; an empty document is a null scalar.
    pub documents: Vec<Node>,
    /// Warnings: keys that a mapping has twice.
    pub duplicates: Vec<Diagnostic>,
}

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
    Loader {
        source,
        limits,
        cursor: Cursor::default(),
        nodes: 0,
        anchors: HashMap::with_hasher(FxBuildHasher),
        open: Vec::new(),
        parsed: Parsed::default(),
    }
    .load()
}

/// A list or mapping whose end has not been read.
struct Open {
    position: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
        keys: FxHashSet<Box<str>>,
    },
}

struct Loader<'a> {
    source: &'a Source,
    limits: &'a Limits,
    cursor: Cursor,
    nodes: usize,
    anchors: HashMap<usize, (Node, usize), FxBuildHasher>,
    open: Vec<Open>,
    parsed: Parsed,
}

impl Loader<'_> {
    fn load(mut self) -> Result<Parsed, Diagnostic> {
        let mut parser = Parser::new_from_str(self.source.text());
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let marker = error.marker();
                let position = self.source.position_at(marker.line(), marker.col());
                Diagnostic::error(self.source, position, format!("not YAML: {}", error.info()))
            })?;
            self.event(event, span)?;
        }
        Ok(self.parsed)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        let position = self.cursor.position(self.source.text(), span);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let node = Node {
                    kind: Kind::Scalar(text.into(), style),
                    position,
                };
                self.complete(node, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => {
                self.start(position, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, _) => self.start(
                position,
                anchor,
                Content::Mapping {
                    entries: Vec::new(),
                    key: None,
                    keys: FxHashSet::default(),
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let kind = match open.content {
                    Content::Sequence(items) => Kind::Sequence(items),
                    Content::Mapping { entries, .. } => Kind::Mapping(entries),
                };
                let node = Node {
                    kind,
                    position: open.position,
                };
                let size = if open.anchor == 0 { 1 } else { size(&node) };
                self.nodes = self.nodes.saturating_sub(size - 1);
                self.complete(node, open.anchor, size)
            }
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err(Diagnostic::error(
                        self.source,
                        position,
                        "alias of an anchor that is not complete yet",
                    ));
                };
                let (size, node) = (
                    *size,
                    (self.nodes + size <= self.limits.nodes).then(|| node.clone()),
                );
                match node {
                    Some(node) => self.complete(node, 0, size),
                    None => Err(self.too_many(position)),
                }
            }
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn start(
        &mut self,
        position: Position,
        anchor: usize,
        content: Content,
    ) -> Result<(), Diagnostic> {
        if self.open.len() == self.limits.depth {
            let message = format!("more than {} levels in each other", self.limits.depth);
            return Err(Diagnostic::error(self.source, position, message));
        }
        self.open.push(Open {
            position,
            anchor,
            content,
        });
        Ok(())
    }

    fn complete(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > self.limits.nodes {
            return Err(self.too_many(node.position));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.parsed.documents.push(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, key, keys }) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                    return Ok(());
                }
                if let Some(text) = node.as_str()
                    && !keys.insert(text.into())
                {
                    let message = format!("key '{text}' is here twice");
                    self.parsed.duplicates.push(
                        Diagnostic::warning(self.source, node.position, message)
                            .width(text.chars().count())
                            .hint("the first one counts; remove the other"),
                    );
                }
                *key = Some(node);
            }
        }
        Ok(())
    }

    fn too_many(&self, position: Position) -> Diagnostic {
        let message = format!("more than {} values", self.limits.nodes);
        Diagnostic::error(self.source, position, message)
            .hint("aliases count with all that they stand for")
    }
}

/// The number of nodes in a tree.
fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar(..) => 1,
        Kind::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Mapping(entries) => {
            1 + entries
                .iter()
                .map(|(key, value)| size(key) + size(value))
                .sum::<usize>()
        }
    }
}

/// Turns the parser's counts of characters into bytes, going forward.
#[derive(Default)]
struct Cursor {
    characters: usize,
    bytes: usize,
}

impl Cursor {
    fn position(&mut self, text: &str, span: Span) -> Position {
        let target = span.start.index();
        if target < self.characters {
            *self = Self::default();
        }
        let ahead = &text[self.bytes..];
        let count = target - self.characters;
        let bytes = match ahead.as_bytes().get(..count) {
            Some(ascii) if ascii.is_ascii() => count,
            _ => ahead.chars().take(count).map(char::len_utf8).sum(),
        };
        self.characters = target;
        self.bytes += bytes;
        Position {
            line: u32::try_from(span.start.line()).unwrap_or(u32::MAX),
            column: u32::try_from(span.start.col() + 1).unwrap_or(u32::MAX),
            offset: u32::try_from(self.bytes).unwrap_or(u32::MAX),
        }
    }
}
