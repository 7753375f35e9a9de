//! `fnmatch` patterns as regular expressions with linear cost.

use regex::{Regex, RegexBuilder};

/// Largest compiled expression, bytes.
const SIZE_MAX: usize = 1 << 20;

/// Compiles a regular expression that must match a whole text.
///
/// # Errors
/// If the text is no regular expression, or too large.
pub(crate) fn regex(pattern: &str, any_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .case_insensitive(any_case)
        .size_limit(SIZE_MAX)
        .build()
}

/// Compiles a glob pattern: `*` (which crosses `/`), `?`, `[…]`, backslash, and
/// `?(a|b)`, `*(…)`, `+(…)`, `@(…)`.
///
/// # Errors
/// If it is too large.
pub(crate) fn glob(pattern: &str, any_case: bool) -> Result<Regex, regex::Error> {
    build(&translate(pattern, "."), any_case)
}

/// Compiles a pattern for a path and everything below it; `*` and `?` do not cross `/`.
///
/// # Errors
/// If it is too large.
pub(crate) fn below(pattern: &str) -> Result<Regex, regex::Error> {
    build(&format!("{}(?:/.*)?", translate(pattern, "[^/]")), false)
}

/// The prefix of every text that a glob or path pattern matches.
#[must_use]
pub(crate) fn literal_prefix(pattern: &str) -> &str {
    let end = pattern.find(['*', '?', '[', '\\', '+', '@', '(']);
    &pattern[..end.unwrap_or(pattern.len())]
}

/// The prefix of every text that a regular expression matches as a whole, as far as the prefix is
/// obvious.
#[must_use]
pub(crate) fn regex_prefix(pattern: &str) -> &str {
    if pattern.contains('|') {
        return "";
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_ :=,".contains(c) || !c.is_ascii();
    let end = pattern.find(|c| !plain(c)).unwrap_or(pattern.len());
    let (prefix, rest) = pattern.split_at(end);
    if rest.starts_with(['*', '?', '{', '+']) {
        // The operator applies to the last character, which can be missing.
        let mut chars = prefix.chars();
        chars.next_back();
        return chars.as_str();
    }
    prefix
}

fn build(pattern: &str, any_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .case_insensitive(any_case)
        .dot_matches_new_line(true)
        .size_limit(SIZE_MAX)
        .build()
}

fn translate(pattern: &str, any: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut groups: Vec<&str> = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        let mut next = behind;
        match c {
            '?' | '*' | '+' | '@' if behind.starts_with('(') && behind.contains(')') => {
                out.push_str("(?:");
                groups.push(match c {
                    '?' => ")?",
                    '*' => ")*",
                    '+' => ")+",
                    _ => ")",
                });
                next = &behind[1..];
            }
            ')' if !groups.is_empty() => out.push_str(groups.pop().unwrap_or(")")),
            '|' if !groups.is_empty() => out.push('|'),
            '*' => {
                out.push_str(any);
                out.push('*');
            }
            '?' => out.push_str(any),
            '[' => match class(behind) {
                Some((class, len)) => {
                    out.push_str(&class);
                    next = &behind[len..];
                }
                None => out.push_str(r"\["),
            },
            '\\' => {
                let escaped = behind.chars().next().unwrap_or('\\');
                out.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
                next = behind.strip_prefix(escaped).unwrap_or(behind);
            }
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
        rest = next;
    }
    for group in groups.iter().rev() {
        out.push_str(group);
    }
    out
}

/// A bracket expression behind its `[`, and its length with the `]`.
fn class(text: &str) -> Option<(String, usize)> {
    let mut out = String::from("[");
    let mut chars = text.char_indices().peekable();
    if let Some((_, '!' | '^')) = chars.peek() {
        out.push('^');
        chars.next();
    }
    let mut first = true;
    while let Some((at, c)) = chars.next() {
        match c {
            ']' if !first => {
                out.push(']');
                return Some((out, at + 1));
            }
            '[' if text[at + 1..].starts_with(':') => {
                let end = at + 2 + text[at + 2..].find(":]")?;
                let name = &text[at + 2..end];
                let known = [
                    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print",
                    "punct", "space", "upper", "xdigit",
                ];
                if !known.contains(&name) {
                    return None;
                }
                out.push_str(&text[at..end + 2]);
                while chars.peek().is_some_and(|(next, _)| *next < end + 2) {
                    chars.next();
                }
            }
            '-' => out.push('-'),
            '\\' => {
                let (_, escaped) = chars.next()?;
                escape(&mut out, escaped);
            }
            c => escape(&mut out, c),
        }
        first = false;
    }
    None
}

fn escape(out: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        glob(pattern, false).unwrap().is_match(text)
    }

    #[test]
    fn globs_match_whole_texts_across_slashes() {
        assert!(matches("/usr/*", "/usr/bin/nc"));
        assert!(!matches("/usr/*", "x/usr/bin"));
        assert!(matches("n?", "nc") && !matches("n?", "ncx"));
        assert!(matches("[a-c]x[!0-9]", "bxy") && !matches("[a-c]x[!0-9]", "bx1"));
        assert!(matches("[[:digit:]]*", "1a") && matches("[]]", "]") && matches("[", "["));
        assert!(matches(r"a\*b", "a*b") && !matches(r"a\*b", "axb"));
        assert!(matches("@(foo|ba*)", "bar") && matches("+(ab)", "abab"));
        assert!(matches("a.b(c)", "a.b(c)"));
    }

    #[test]
    fn plain_beginnings_of_patterns_are_known() {
        assert_eq!(literal_prefix("/usr/*/nc"), "/usr/");
        assert_eq!(literal_prefix("/usr/bin"), "/usr/bin");
        assert_eq!(literal_prefix("@(a|b)"), "");
        assert_eq!(literal_prefix("a?(b)"), "a");
        assert_eq!(regex_prefix("/usr/(s)?bin"), "/usr/");
        assert_eq!(regex_prefix("/usr/bin/py?.*"), "/usr/bin/p");
        assert_eq!(regex_prefix("ab|cd"), "");
        assert_eq!(regex_prefix("(?i)ab"), "");
        assert_eq!(regex_prefix("é*"), "");
    }

    #[test]
    fn case_can_be_ignored() {
        assert!(glob("/USR/*", true).unwrap().is_match("/usr/bin"));
    }

    #[test]
    fn odd_patterns_never_fail_to_compile() {
        for pattern in [
            "[z-a]", "[a", "[[:x:]]", "+(", "@(a", "\\", "[\\", "(((", "*)", "[^]", "[--z]",
        ] {
            let _ = glob(pattern, false);
        }
    }
}
