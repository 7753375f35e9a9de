//! Texts of events on a screen: nothing acts on the terminal, and nothing is wider than its place.

use unicode_width::UnicodeWidthChar as _;

/// A text without characters that act on a terminal or that nobody sees: `\n`, `\x1b`, `\u{202e}`.
#[must_use]
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_ascii_control() => {
                escaped.extend(['\\', 'x'].into_iter().chain(hexadecimal(c)));
            }
            c if is_unseen(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The two digits of an ASCII character.
fn hexadecimal(c: char) -> [char; 2] {
    let digit = |number: u32| char::from_digit(number & 0xf, 16).unwrap_or('0');
    [digit(u32::from(c) >> 4), digit(u32::from(c))]
}

/// Whether a character has no place of its own on a screen, or changes the place of others:
/// controls, joiners, marks of direction, variation selectors, tags.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1f3fb}'..='\u{1f3ff}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Columns of the terminal that a text takes.
#[must_use]
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A text in exactly that many columns: padded, or cut before a whole character with `…` as the
/// end.
#[must_use]
pub(super) fn fit(text: &str, columns: usize) -> String {
    let whole = width(text);
    if whole <= columns {
        return format!("{text}{}", " ".repeat(columns - whole));
    }
    let room = columns.saturating_sub(1);
    let (mut cut, mut used) = (String::new(), 0);
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used + width > room {
            break;
        }
        used += width;
        cut.push(c);
    }
    if columns > 0 {
        cut.push('…');
        used += 1;
    }
    cut.push_str(&" ".repeat(columns - used));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_acts_on_the_terminal_is_written_as_text() {
        assert_eq!(
            escape("a\x1b[2J\n\u{202e}b\u{9b}"),
            "a\\x1b[2J\\n\\u{202e}b\\u{9b}"
        );
    }

    #[test]
    fn a_wide_character_is_never_split() {
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日… ");
        assert_eq!(fit("日本語", 1), "…");
        assert_eq!(fit("日本語", 0), "");
    }

    #[test]
    fn a_text_takes_the_columns_that_it_is_given() {
        for text in [
            "",
            "short",
            "a long text of many words",
            "e\u{301}e\u{301}e\u{301}e\u{301}",
        ] {
            for columns in 0..30 {
                assert_eq!(width(&fit(text, columns)), columns, "{text} in {columns}");
            }
        }
    }
}
