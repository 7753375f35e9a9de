//! Patterns of `fnmatch(3)` without flags, or with `FNM_CASEFOLD`, as glibc matches them in the C
//! locale: byte by byte, `*` and `?` cross `/`, and a leading dot is like any other byte.
//!
//! glibc reads a bracket expression anew for each byte of a text, and what it does with odd ones
//! depends on that byte. So each bracket expression is tried with each of the 256 bytes.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Dot, Hir, Repetition};

/// Whether the case of ASCII letters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// It does: `glob`.
    Exact,
    /// It does not: `iglob`.
    Any,
}

impl Case {
    fn fold(self, byte: u8) -> u8 {
        match self {
            Self::Exact => byte,
            Self::Any => byte.to_ascii_lowercase(),
        }
    }
}

/// A bracket expression that ends at different places for different bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: where '[' is closed depends on the text")]
pub(crate) struct Ambiguous {
    /// The number of its first byte, from 1.
    pub at: usize,
}

/// The syntax tree of a pattern.
///
/// # Errors
/// If a bracket expression ends at different places for different bytes.
pub(super) fn parse(text: &str, case: Case) -> Result<Hir, Ambiguous> {
    let pattern = text.as_bytes();
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(&byte) = pattern.get(at) {
        at += 1;
        parts.push(match byte {
            b'?' => Hir::dot(Dot::AnyByte),
            b'*' => Hir::repetition(Repetition {
                min: 0,
                max: None,
                greedy: true,
                sub: Box::new(Hir::dot(Dot::AnyByte)),
            }),
            b'[' => {
                let (set, end) = Bracket { pattern, at, case }.resolve()?;
                at = end;
                set
            }
            b'\\' => {
                let escaped = pattern.get(at).copied();
                at += 1;
                escaped.map_or_else(Hir::fail, |byte| one(byte, case))
            }
            byte => one(byte, case),
        });
    }
    Ok(Hir::concat(parts))
}

/// One byte.
fn one(byte: u8, case: Case) -> Hir {
    let folded = case.fold(byte);
    set((0..=u8::MAX).filter(|byte| case.fold(*byte) == folded))
}

fn set(bytes: impl Iterator<Item = u8>) -> Hir {
    let ranges = bytes.map(|byte| ClassBytesRange::new(byte, byte));
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
}

/// A bracket expression.
struct Bracket<'p> {
    pattern: &'p [u8],
    /// The position behind its `[`.
    at: usize,
    case: Case,
}

/// One element of a bracket expression.
enum Element<'p> {
    /// `[:alpha:]`
    Class(&'p [u8]),
    /// `[=a=]`
    Equivalent(u8),
    /// `[.a.]`: in the C locale, only single bytes have names.
    Symbol(&'p [u8]),
    /// A byte, perhaps the lower end of a range.
    Byte(u8),
}

impl<'p> Bracket<'p> {
    /// The bytes that match, and where the pattern goes on behind them.
    fn resolve(&self) -> Result<(Hir, usize), Ambiguous> {
        let mut end = None;
        let mut bytes = Vec::new();
        for byte in 0..=u8::MAX {
            let Some(behind) = self.behind(byte) else {
                continue;
            };
            if *end.get_or_insert(behind) != behind {
                return Err(Ambiguous { at: self.at });
            }
            bytes.push(byte);
        }
        let end = end.unwrap_or(self.pattern.len());
        Ok((set(bytes.into_iter()), end))
    }

    /// Where the pattern goes on if a byte matches.
    fn behind(&self, byte: u8) -> Option<usize> {
        let negated = matches!(self.pattern.get(self.at), Some(b'!' | b'^'));
        let first = self.at + usize::from(negated);
        let mut at = first;
        while at == first || self.pattern.get(at) != Some(&b']') {
            let Some((element, next)) = self.element(at) else {
                // Not closed: the bracket stands for itself.
                let open = at >= self.pattern.len() && self.case.fold(byte) == b'[';
                return open.then_some(self.at);
            };
            let (found, next) = self.test(byte, &element, next)?;
            if found {
                let end = self.end(next)?;
                return (!negated).then_some(end);
            }
            at = next;
        }
        negated.then_some(at + 1)
    }

    /// The element at a position, and the position behind it; nothing if it has no end.
    fn element(&self, at: usize) -> Option<(Element<'p>, usize)> {
        let pattern = self.pattern;
        Some(match &pattern[at.min(pattern.len())..] {
            [] | [b'\\'] => return None,
            [b'\\', byte, ..] => (Element::Byte(*byte), at + 2),
            [b'[', b':', rest @ ..] => match name(rest) {
                Some(name) => (Element::Class(name), at + name.len() + 4),
                None => (Element::Byte(b'['), at + 1),
            },
            [b'[', b'=', byte, b'=', b']', ..] => (Element::Equivalent(*byte), at + 5),
            [b'[', b'.', rest @ ..] => {
                let len = rest.windows(2).position(|two| two == b".]")?;
                (Element::Symbol(&rest[..len]), at + len + 4)
            }
            [byte, ..] => (Element::Byte(*byte), at + 1),
        })
    }

    /// Whether a byte matches an element, or the range that the element begins, and the position
    /// behind that; nothing if glibc gives up.
    fn test(&self, byte: u8, element: &Element<'_>, next: usize) -> Option<(bool, usize)> {
        let folded = self.case.fold(byte);
        let behind_hyphen = |at: usize| match self.pattern[at..] {
            [b'-', behind, ..] => Some(behind),
            _ => None,
        };
        let (low, found) = match *element {
            Element::Class(name) => return Some((has_class(byte, name)?, next)),
            Element::Equivalent(other) => return Some((byte == other, next)),
            Element::Symbol(&[low]) => (low, byte == low && behind_hyphen(next).is_none()),
            Element::Symbol(_) => return None,
            Element::Byte(low) => {
                let low = self.case.fold(low);
                let is_range = behind_hyphen(next).is_some_and(|behind| behind != b']');
                (low, low == folded && !is_range)
            }
        };
        if found || self.pattern.get(next) != Some(&b'-') {
            return Some((found, next));
        }
        if behind_hyphen(next) == Some(b']') {
            return Some((false, next));
        }
        let (high, next) = match &self.pattern[next + 1..] {
            [] | [b'\\'] => return None,
            [b'[', b'.', ..] => match self.element(next + 1)? {
                (Element::Symbol(&[high]), next) => (high, next),
                _ => return None,
            },
            [b'\\', high, ..] => (self.case.fold(*high), next + 3),
            [high, ..] => (self.case.fold(*high), next + 2),
        };
        Some(((low..=high).contains(&folded), next))
    }

    /// The position behind the closing bracket, when an element before `at` has matched.
    fn end(&self, mut at: usize) -> Option<usize> {
        while *self.pattern.get(at)? != b']' {
            let (element, next) = self.element(at)?;
            let bad =
                matches!(element, Element::Byte(b'[')) && self.pattern[at..].starts_with(b"[=");
            if bad {
                return None;
            }
            at = next;
        }
        Some(at + 1)
    }
}

/// The name of a class at the beginning of a text, if `:]` follows. (glibc takes no `z` in it.)
fn name(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().position(|byte| !matches!(byte, b'a'..=b'y'))?;
    text[len..].starts_with(b":]").then_some(&text[..len])
}

/// Whether a byte is in the class of that name, in the C locale.
fn has_class(byte: u8, name: &[u8]) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => matches!(byte, b' '..=b'~'),
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}
