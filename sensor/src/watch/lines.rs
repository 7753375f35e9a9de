//! Lines of JSON, one after the other, however long and broken they are.

use std::io::{self, BufRead};

/// Most bytes of a line.
const LONGEST: u64 = 1 << 20;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A text without its end.
    Text(String),
    /// The line has more than 1 MiB, or is no UTF-8.
    Unreadable(&'static str),
}

/// The lines of a file that are not empty.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `from`.
    #[must_use]
    pub fn new(from: R) -> Self {
        Self { from }
    }

    fn one(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            let mut limited = io::Read::take(&mut self.from, LONGEST);
            if limited.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            if bytes.last() != Some(&b'\n') && bytes.len() as u64 == LONGEST {
                self.from.skip_until(b'\n')?;
                return Ok(Some(Line::Unreadable("the line has more than 1 MiB")));
            }
            return match String::from_utf8(bytes) {
                Ok(text) if text.trim().is_empty() => continue,
                Ok(mut text) => {
                    text.truncate(text.trim_end_matches(['\n', '\r']).len());
                    Ok(Some(Line::Text(text)))
                }
                Err(_) => Ok(Some(Line::Unreadable("the line is no UTF-8"))),
            };
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.one().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_or_broken_costs_only_itself() {
        let mut bytes = b"one\r\n\n\xff\n".to_vec();
        bytes.extend(vec![b'x'; 3 << 20]);
        bytes.extend(b"\nlast");
        let lines: Vec<_> = Lines::new(&*bytes).map(Result::unwrap).collect();
        assert_eq!(
            lines,
            [
                Line::Text("one".into()),
                Line::Unreadable("the line is no UTF-8"),
                Line::Unreadable("the line has more than 1 MiB"),
                Line::Text("last".into()),
            ]
        );
    }
}
