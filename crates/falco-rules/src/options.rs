//! Options of compiling rules.

use crate::{Priority, load::RuleDefinition};

/// Which of the matching rules of an event write a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// The first one, in the order of the files.
    #[default]
    First,
    /// Each of them.
    All,
}

/// Options of compiling rules, with the names of Falco's configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// `rule_matching`.
    pub matching: Matching,
    /// `priority`: less important rules are not loaded.
    pub priority: Priority,
    /// `rules`: switches, applied in order.
    pub selection: Vec<Selection>,
    /// `append_output`, applied in order.
    pub append_output: Vec<AppendOutput>,
    /// Whether the set keeps an [`Outline`](crate::Outline) of each condition, for explanations.
    pub outlines: bool,
    /// Whether an invalid rule, macro or list is left out, with its errors in the report; otherwise
    /// one error refuses all rules.
    pub leave_out_invalid: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            matching: Matching::First,
            priority: Priority::Debug,
            selection: Vec::new(),
            append_output: Vec::new(),
            outlines: false,
            leave_out_invalid: false,
        }
    }
}

/// The rules that a switch is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// Rules with that name; `*` stands for any text.
    Name(Box<str>),
    /// Rules with that tag.
    Tag(Box<str>),
}

/// `enable:` or `disable:` of some rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Whether the switch enables rules.
    pub enable: bool,
    /// The rules.
    pub select: Select,
}

impl Selection {
    /// Whether the switch is for a rule.
    pub(super) fn means(&self, name: &str, rule: &RuleDefinition) -> bool {
        match &self.select {
            Select::Name(pattern) => is_like(pattern, name),
            Select::Tag(tag) => rule.tags.contains(tag),
        }
    }
}

/// An entry of `append_output`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendOutput {
    /// `match.source`: only rules of that source.
    pub source: Option<Box<str>>,
    /// `match.tags`: only rules that have all of them.
    pub tags: Vec<Box<str>>,
    /// `match.rule`: only the rule of that name.
    pub rule: Option<Box<str>>,
    /// `extra_output`: appended to the text, each behind a blank.
    pub extra_output: Vec<Box<str>>,
    /// `extra_fields`: bare fields (no template), or keys with templates.
    pub extra_fields: Vec<(Box<str>, Option<Box<str>>)>,
}

impl AppendOutput {
    /// Whether the entry is for a rule.
    pub(super) fn means(&self, name: &str, rule: &RuleDefinition) -> bool {
        self.source
            .as_ref()
            .is_none_or(|source| *source == rule.source)
            && self.rule.as_deref().is_none_or(|wanted| wanted == name)
            && self.tags.iter().all(|tag| rule.tags.contains(tag))
    }
}

/// Whether a text matches a pattern in which `*` stands for any text.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*a", "a", false),
            ("*shell*", "A shell in a terminal", true),
        ] {
            assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
