//! A YAML tree whose nodes know their positions.

use super::Position;

/// The style in which a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// Without quotes, behind a tag: `!!str ~` is no null.
    Tagged,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes.
    DoubleQuoted,
    /// As a block, `|` or `>`.
    Block,
}

/// The kind of a node, with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text; the getters decide whether it is also a number or a truth value.
    Scalar(Box<str>, Style),
    /// `- …`
    Sequence(Vec<Node>),
    /// `key: …`, in order, duplicates included.
    Mapping(Vec<(Node, Node)>),
}

/// A node and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The kind and the content.
    pub kind: Kind,
    /// The position of its beginning.
    pub position: Position,
}

impl Node {
    /// The text of a scalar of any style.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.scalar().map(|(text, _)| text)
    }

    /// Text and style of a scalar.
    #[must_use]
    pub fn scalar(&self) -> Option<(&str, Style)> {
        match &self.kind {
            Kind::Scalar(text, style) => Some((text, *style)),
            _ => None,
        }
    }

    /// Whether the node is `~`, `null`, or empty.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(
            self.scalar(),
            Some(("" | "~" | "null" | "Null" | "NULL", Style::Plain))
        )
    }

    /// The elements of a sequence.
    #[must_use]
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping, in order.
    #[must_use]
    pub fn as_mapping(&self) -> Option<&[(Self, Self)]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key of a mapping; the first one, if the mapping has the key twice.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The key node and the value of a key of a mapping.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&(Self, Self)> {
        self.as_mapping()?
            .iter()
            .find(|(name, _)| name.as_str() == Some(key))
    }

    /// The kind in words, for messages.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(..) if self.is_null() => "nothing",
            Kind::Scalar(..) => "a text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }
}
