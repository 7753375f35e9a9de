//! The tokens of a text.

use std::borrow::Cow;

use crate::Style;

/// A token and its place.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub(crate) what: What<'a>,
    /// Offset of its first byte; of a block scalar, of its text.
    pub(crate) start: usize,
    /// Offset behind its last byte.
    pub(crate) end: usize,
}

/// What a token is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What<'a> {
    /// `%`, and what stands behind it in the line.
    Directive(&'a str),
    /// `---`
    DocumentStart,
    /// `...`
    DocumentEnd,
    /// Before the first `-` of a list in block style.
    BlockSequence,
    BlockSequenceEnd,
    /// Before the first key of a mapping in block style.
    BlockMapping,
    BlockMappingEnd,
    /// `[`
    FlowSequence,
    /// `]`
    FlowSequenceEnd,
    /// `{`
    FlowMapping,
    /// `}`
    FlowMappingEnd,
    /// `-`
    Item,
    /// `,`
    Comma,
    /// Before a key, with or without `?`.
    Key,
    /// `:`
    Value,
    /// `&name`
    Anchor(&'a str),
    /// `*name`
    Alias(&'a str),
    /// `!tag`; whether it makes a text of an unquoted word.
    Tag(bool),
    Scalar(Cow<'a, str>, Style),
}

impl What<'_> {
    /// The token in words, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Directive(_) => "a directive ('%')",
            Self::DocumentStart => "'---'",
            Self::DocumentEnd => "'...'",
            Self::BlockSequence | Self::Item => "'-'",
            Self::BlockSequenceEnd | Self::BlockMappingEnd => "less indentation",
            Self::BlockMapping | Self::Key => "a key",
            Self::FlowSequence => "'['",
            Self::FlowSequenceEnd => "']'",
            Self::FlowMapping => "'{'",
            Self::FlowMappingEnd => "'}'",
            Self::Comma => "','",
            Self::Value => "':'",
            Self::Anchor(_) => "an anchor ('&')",
            Self::Alias(_) => "an alias ('*')",
            Self::Tag(_) => "a tag ('!')",
            Self::Scalar(..) => "a text",
        }
    }
}

/// Why a text is not read.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) offset: usize,
    pub(crate) message: Cow<'static, str>,
    pub(crate) hint: Option<&'static str>,
}

impl Failure {
    /// The failure that the text is no YAML.
    pub(crate) fn new(offset: usize, message: impl std::fmt::Display) -> Self {
        Self::with(offset, format!("not YAML: {message}"))
    }

    /// A failure, or a warning, with the whole message.
    pub(crate) fn with(offset: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            offset,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}
