//! Tables that fit a terminal.

use std::io::IsTerminal as _;

/// The number of columns of the terminal at standard output; none if there is no terminal, or if
/// it does not say.
#[must_use]
pub fn screen_width() -> Option<usize> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(out).ok()?;
    Some(size.ws_col.into()).filter(|columns| *columns > 0)
}

/// Fewest columns in which the last column of a table can be read.
const NARROW: usize = 28;
/// How far a line that goes on below its table is indented.
const INDENT: usize = 4;

/// Breaks each line that is longer than the screen between two words. The rest of a line of a
/// table goes on below its last column, or indented where the last column is too narrow.
#[must_use]
pub fn fit(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive('\n') {
        let whole = line.trim_end_matches('\n');
        if whole.chars().count() <= width {
            out += line;
            continue;
        }
        // The last column begins behind the last gap of two blanks or more.
        let start = whole.rfind("  ").map_or(0, |at| at + 2);
        let column = whole[..start].chars().count();
        let room = width.saturating_sub(column);
        let longest = whole[start..].split(' ').map(|word| word.chars().count());
        if start > 0 && room >= NARROW && longest.max() <= Some(room) {
            out += &whole[..start];
            fold(&whole[start..], column, column, width, &mut out);
        } else if start > 0 {
            out += whole[..start].trim_end();
            out += "\n";
            out += &" ".repeat(INDENT);
            fold(&whole[start..], INDENT, INDENT, width, &mut out);
        } else {
            fold(whole, 0, INDENT, width, &mut out);
        }
        out += "\n";
    }
    out
}

/// Appends words; `column` is where the first one stands, `indent` where the next lines begin.
fn fold(text: &str, column: usize, indent: usize, width: usize, out: &mut String) {
    let mut at = column;
    let mut fresh = true;
    for word in text.split(' ') {
        let long = word.chars().count();
        if !fresh && at + 1 + long > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            at = indent;
            fresh = true;
        }
        if !fresh {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += long;
        fresh = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_fit_stay_as_they_are() {
        let text = "a  b\n\nlonger than ten\n";
        assert_eq!(fit(text, None), text);
        assert_eq!(fit(text, Some(80)), text);
    }

    #[test]
    fn the_last_column_goes_on_below_itself() {
        let text = format!(
            "{:<12}{}\n",
            "proc.name", "the name of the process that did it"
        );
        let expected = "proc.name   the name of the process that\n            did it\n";
        assert_eq!(fit(&text, Some(42)), expected);
    }

    #[test]
    fn a_last_column_without_room_stands_below_its_line() {
        let text = format!("{:<30}{}\n", "A rule", "what it is about, in some words");
        let expected = "A rule\n    what it is about, in some words\n";
        assert_eq!(fit(&text, Some(40)), expected);
    }

    #[test]
    fn a_word_that_is_longer_than_the_last_column_stands_below_its_line() {
        let word = "A".repeat(35);
        let text = format!("{:<12}{word} and more\n", "evt.flags");
        let expected = format!("evt.flags\n    {word}\n    and more\n");
        assert_eq!(fit(&text, Some(42)), expected);
    }

    #[test]
    fn no_line_is_longer_than_the_screen_unless_a_word_is() {
        let text = "one two three four five six seven eight nine ten\n";
        let fitted = fit(text, Some(20));
        assert!(fitted.lines().all(|line| line.len() <= 20), "{fitted}");
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&fitted), words(text));
    }
}
