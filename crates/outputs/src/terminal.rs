//! Colours for lines on a terminal.

use std::{ffi::OsStr, io::IsTerminal};

use falco_rules::Priority;

use super::Form;

/// Whether standard output is a terminal, and lines there are to be coloured.
#[must_use]
pub fn wants_colour() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && std::env::var_os("TERM").as_deref() != Some(OsStr::new("dumb"))
}

/// The form of lines on standard output.
pub(super) fn form() -> Form {
    if std::io::stdout().is_terminal() {
        Form::Terminal
    } else {
        Form::Configured
    }
}

/// Escape sequence of a priority.
fn colour(priority: Priority) -> &'static str {
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical => "\x1b[1;31m",
        Priority::Error => "\x1b[31m",
        Priority::Warning => "\x1b[33m",
        Priority::Notice => "\x1b[36m",
        Priority::Informational => "\x1b[32m",
        Priority::Debug => "\x1b[2m",
    }
}

/// Appends a line and colours the time and priority before its first two blanks, as in
/// `18:10:12.1: Debug`.
pub fn paint(line: &[u8], priority: Priority, out: &mut Vec<u8>) {
    let head = memchr::memchr_iter(b' ', line).nth(1).unwrap_or(0);
    out.extend_from_slice(colour(priority).as_bytes());
    out.extend_from_slice(&line[..head]);
    out.extend_from_slice(b"\x1b[0m");
    out.extend_from_slice(&line[head..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_priority_are_coloured() {
        let mut out = Vec::new();
        paint(
            b"18:10:12.1: Warning user=root\n",
            Priority::Warning,
            &mut out,
        );
        assert_eq!(out, b"\x1b[33m18:10:12.1: Warning\x1b[0m user=root\n");
    }

    #[test]
    fn a_line_without_blanks_is_kept() {
        let mut out = Vec::new();
        paint(b"x\n", Priority::Debug, &mut out);
        assert_eq!(out, b"\x1b[2m\x1b[0mx\n");
    }
}
