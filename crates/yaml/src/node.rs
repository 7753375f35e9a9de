//! A YAML tree whose nodes know their positions.

use super::Position;

/// The style in which a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
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

    /// A truth value, in YAML 1.1's spellings (`true`, `yes`, `on`, `y`, …).
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_str()? {
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
                Some(true)
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n"
            | "N" => Some(false),
            _ => None,
        }
    }

    /// A whole number: decimal, `0x…` or `0o…`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let text = self.as_str()?;
        if let Some(digits) = text.strip_prefix("0x") {
            return i64::from_str_radix(digits, 16).ok();
        }
        if let Some(digits) = text.strip_prefix("0o") {
            return i64::from_str_radix(digits, 8).ok();
        }
        text.parse().ok()
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self.as_i64() {
            Some(number) => number.try_into().ok(),
            None => self.as_str()?.parse().ok(),
        }
    }

    /// A number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.as_str()?.parse().ok().filter(|n: &f64| n.is_finite())
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
