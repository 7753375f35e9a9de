//! Classes of characters in POSIX syntax: `[^a-z[:digit:]]`.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir};

use super::posix::{Input, Reason, SyntaxError};

/// The classes that have names, each with its ranges of ASCII characters.
const NAMES: [(&str, &[(char, char)]); 14] = [
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7f')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit", &[('0', '9')]),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

/// Reads a class behind its bracket.
pub(super) fn parse(input: &mut Input<'_>) -> Result<Hir, SyntaxError> {
    let open = input.at() - 1;
    let negated = input.take('^');
    let mut class = ClassUnicode::empty();
    let mut first = true;
    // A bracket that comes first stands for itself.
    while first || !input.take(']') {
        if input.rest().is_empty() {
            return Err(input.error(open, Reason::OpenClass));
        }
        match named(input)? {
            Some(named) => class.union(&named),
            None => {
                let (low, high) = range(input, open, first)?;
                class.union(&ClassUnicode::new(scalars(low, high)));
            }
        }
        first = false;
    }
    if negated {
        class.negate();
    }
    Ok(Hir::class(Class::Unicode(class)))
}

/// `[:alpha:]` or `[:^alpha:]`, if the text goes on with one.
fn named(input: &mut Input<'_>) -> Result<Option<ClassUnicode>, SyntaxError> {
    let start = input.at();
    let Some(behind) = input.rest().strip_prefix("[:") else {
        return Ok(None);
    };
    let Some(len) = behind.find(":]") else {
        return Ok(None);
    };
    input.skip(len + 4);
    let name = &behind[..len];
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let Some((_, ranges)) = NAMES.iter().find(|(known, _)| *known == name) else {
        return Err(input.error(start, Reason::ClassName(input.since(start))));
    };
    let ranges = ranges.iter();
    let ranges = ranges.map(|&(low, high)| ClassUnicodeRange::new(low, high));
    let mut class = ClassUnicode::new(ranges);
    if negated {
        class.negate();
    }
    Ok(Some(class))
}

/// A character, or two with a hyphen between them.
fn range(input: &mut Input<'_>, open: usize, first: bool) -> Result<(u32, u32), SyntaxError> {
    let start = input.at();
    // A hyphen alone stands first or last.
    if !first && input.rest().starts_with('-') && !input.rest().starts_with("-]") {
        input.next();
        input.next();
        return Err(input.error(start, Reason::Range(input.since(start))));
    }
    let low = character(input, open)?;
    let is_range = input.rest().len() > 1 && !input.rest().starts_with("-]");
    if !(is_range && input.take('-')) {
        return Ok((low, low));
    }
    let high = character(input, open)?;
    if high < low {
        return Err(input.error(start, Reason::Range(input.since(start))));
    }
    Ok((low, high))
}

fn character(input: &mut Input<'_>, open: usize) -> Result<u32, SyntaxError> {
    match input.next() {
        Some('\\') => input.escape(),
        Some(c) => Ok(c.into()),
        None => Err(input.error(open, Reason::OpenClass)),
    }
}

/// The characters within two code points, which can be surrogates themselves.
fn scalars(low: u32, high: u32) -> Option<ClassUnicodeRange> {
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    (low <= high).then(|| ClassUnicodeRange::new(low, high))
}
