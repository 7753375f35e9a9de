//! Patterns for whole texts: `regex` in RE2's POSIX syntax, `glob` and `iglob` as `fnmatch(3)`.
//!
//! Each dialect has a parser of its own, which makes the syntax tree of `regex-syntax`. So no text
//! of one dialect is ever read as a text of another one. `docs/regex-and-glob.md` describes both.

mod glob;
mod posix;
mod posix_class;
#[cfg(test)]
mod tests;

use regex_automata::meta::{BuildError, Regex};
use regex_syntax::hir::{Hir, Look, literal::Extractor};

pub(crate) use self::{
    glob::{Ambiguous, Case},
    posix::SyntaxError,
};

/// Most bytes of a compiled pattern, enough for 8,000 copies of `[^a]`. (RE2 allows about four times
/// as much.)
const SIZE_MAX: usize = 10 << 20;

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatternError {
    /// The text is no regular expression.
    #[error(transparent)]
    Regex(#[from] SyntaxError),
    /// The text is no glob.
    #[error(transparent)]
    Glob(#[from] Ambiguous),
    /// The compiled pattern would be too large.
    #[error("it needs more than {} MiB of memory", SIZE_MAX >> 20)]
    Size(#[from] Box<BuildError>),
}

/// A compiled pattern. The time of a match is linear in the length of the text.
#[derive(Debug)]
pub(crate) struct Automaton {
    regex: Regex,
    prefix: Box<str>,
}

impl Automaton {
    /// A regular expression, as Falco's operator `regex` reads it.
    ///
    /// # Errors
    /// If RE2 refuses the text in POSIX syntax, or the pattern is too large.
    pub(crate) fn regex(text: &str) -> Result<Self, PatternError> {
        Self::compile(posix::parse(text)?)
    }

    /// A pattern of `fnmatch(3)` without flags, or with `FNM_CASEFOLD`, in the C locale.
    ///
    /// # Errors
    /// If a bracket expression ends at different places for different bytes, or the pattern is too
    /// large.
    pub(crate) fn glob(text: &str, case: Case) -> Result<Self, PatternError> {
        Self::compile(glob::parse(text, case)?)
    }

    fn compile(pattern: Hir) -> Result<Self, PatternError> {
        let prefix = prefix(&pattern);
        let whole = Hir::concat(vec![Hir::look(Look::Start), pattern, Hir::look(Look::End)]);
        let config = Regex::config()
            .nfa_size_limit(Some(SIZE_MAX))
            .utf8_empty(false);
        let regex = Regex::builder()
            .configure(config)
            .build_from_hir(&whole)
            .map_err(Box::new)?;
        Ok(Self { regex, prefix })
    }

    /// Whether the pattern matches a whole text.
    #[must_use]
    #[inline]
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The beginning of every text that the pattern matches, as far as the beginning is obvious.
    #[must_use]
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

fn prefix(pattern: &Hir) -> Box<str> {
    let beginnings = Extractor::new().extract(pattern);
    let common = beginnings.longest_common_prefix().unwrap_or_default();
    let whole = common.utf8_chunks().next();
    whole.map_or_else(Box::default, |chunk| chunk.valid().into())
}
