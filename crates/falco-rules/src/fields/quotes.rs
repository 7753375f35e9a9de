//! Texts in quotes, arguments in brackets, and numbers: where they end, and what they say.

use std::borrow::Cow;

/// Parses the quoted text at the beginning of another one. Returns it without its escapes, and its
/// length with quotes. Backslash escapes the next character (`\n`, `\t`, `\r`, `\b`, `\f` are control
/// characters). Falco refuses an unknown escape; here its backslash stays, so that `'\.'` is a regular
/// expression for a dot.
#[must_use]
pub(crate) fn quoted(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            match c {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                // Falco drops the blank and keeps the backslash, for the sake of an old rule.
                ' ' => out.push('\\'),
                '\\' | '"' | '\'' | '/' => out.push(c),
                c => {
                    out.push('\\');
                    out.push(c);
                }
            }
            escaped = false;
        } else if c == quote {
            return Some((out, at + 1));
        } else if c == '\\' {
            escaped = true;
        } else {
            out.push(c);
        }
    }
    None
}

/// The argument in the brackets at the beginning of a text, and its length with the brackets: a
/// text in quotes, or one without blanks, brackets and quotes.
pub(crate) fn bracketed(text: &str) -> Option<(Cow<'_, str>, usize)> {
    let inner = text.strip_prefix('[')?;
    let (value, len) = match quoted(inner) {
        Some((value, len)) => (value.into(), len),
        None => (inner[..bare(inner)].into(), bare(inner)),
    };
    (len > 0 && inner[len..].starts_with(']')).then_some((value, len + 2))
}

/// Length of the argument without quotes at the beginning of a text.
pub(super) fn bare(text: &str) -> usize {
    text.find(|c: char| matches!(c, '[' | ']' | '"' | '\'') || c.is_ascii_whitespace())
        .unwrap_or(text.len())
}

/// Length of the number at the beginning of a text: `0x1F`, `-5`, `1.5e+3`.
pub(crate) fn number_len(text: &str) -> Option<usize> {
    let digits = |from: usize, radix: u32| {
        let rest = &text[from..];
        let len = rest.find(|c: char| !c.is_digit(radix));
        let len = len.unwrap_or(rest.len());
        (len > 0).then_some(from + len)
    };
    if text.starts_with("0x") || text.starts_with("0X") {
        return digits(2, 16).or(Some(1));
    }
    let mut end = digits(usize::from(text.starts_with(['+', '-'])), 10)?;
    if text[end..].starts_with('.') {
        end = digits(end + 1, 10).unwrap_or(end + 1);
    }
    let is_exponent =
        text[end..].starts_with(['e', 'E']) && text[end + 1..].starts_with(['+', '-']);
    Some(
        is_exponent
            .then(|| digits(end + 2, 10))
            .flatten()
            .unwrap_or(end),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_as_in_falco() {
        for (text, expected) in [
            (r"'a\n\t\\ \'b'", "a\n\t\\ 'b"),
            (r#""\"\/\b\f\r""#, "\"/\u{8}\u{c}\r"),
            (r"'a\ b'", r"a\b"),
            (r"'\.\d'", r"\.\d"),
            ("'a' b", "a"),
        ] {
            let (value, len) = quoted(text).unwrap();
            assert_eq!(value, expected, "{text}");
            assert!(text[..len].ends_with(['"', '\'']), "{text}");
        }
        assert_eq!(quoted("'a"), None);
        assert_eq!(quoted(r"'a\'"), None);
        assert_eq!(quoted("a"), None);
    }

    #[test]
    fn an_argument_is_quoted_or_has_no_blanks_and_brackets() {
        for (text, expected) in [
            ("[2]x", Some(("2", 3))),
            ("[a.b-c/%d] ", Some(("a.b-c/%d", 10))),
            ("['a b]c']", Some(("a b]c", 9))),
            (r#"["a\"b"]"#, Some(("a\"b", 8))),
            ("['']", Some(("", 4))),
            ("[]", None),
            ("[a b]", None),
            ("[a[0]]", None),
            ("[a", None),
            ("['a'b]", None),
            ("a", None),
        ] {
            let got = bracketed(text);
            let got = got.as_ref().map(|(value, len)| (&**value, *len));
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn a_number_ends_where_its_digits_do() {
        for (text, len) in [
            ("0x1Fg", Some(4)),
            ("0xg", Some(1)),
            ("-5and", Some(2)),
            ("+1.5.2", Some(4)),
            ("1.x", Some(2)),
            ("1e+5e", Some(4)),
            ("1e5", Some(1)),
            ("2e+x", Some(1)),
            ("-", None),
            (".5", None),
            ("x", None),
        ] {
            assert_eq!(number_len(text), len, "{text}");
        }
    }
}
