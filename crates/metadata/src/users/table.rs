//! The text of passwd and group files.

use crate::text::clean;

/// Most entries of a file that are kept.
const ENTRIES_MAX: usize = 8192;
/// Longest name that is kept.
const NAME_MAX: usize = 256;

/// Names by number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    names: Box<[(u32, Box<str>)]>,
}

impl Table {
    /// Reads `name:password:number:…` lines, the common form of passwd and group. The first name of
    /// a number counts, as in libc; the parser skips invalid lines.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut names: Vec<(u32, Box<str>)> = text
            .split(|&b| b == b'\n')
            .filter_map(entry)
            .take(ENTRIES_MAX)
            .collect();
        names.sort_by_key(|(number, _)| *number);
        names.dedup_by_key(|(number, _)| *number);
        Self {
            names: names.into(),
        }
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        let at = self.names.binary_search_by_key(&number, |(n, _)| *n).ok()?;
        Some(&self.names[at].1)
    }
}

fn entry(line: &[u8]) -> Option<(u32, Box<str>)> {
    let mut parts = line.splitn(4, |&b| b == b':');
    let (name, _, number) = (parts.next()?, parts.next()?, parts.next()?);
    if name.is_empty() || name[0] == b'#' || name.len() > NAME_MAX {
        return None;
    }
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, clean(&String::from_utf8_lossy(name), NAME_MAX * 3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_counts() {
        let t = Table::parse(b"root:x:0:0:r:/:/bin/sh\ntoor:x:0:0::/:\napp:x:1000:\n");
        assert_eq!(t.name(0), Some("root"));
        assert_eq!(t.name(1000), Some("app"));
        assert_eq!(t.name(5), None);
    }

    #[test]
    fn lines_that_make_no_sense_are_skipped() {
        let t =
            Table::parse(b"\n:x:1:\nno\na:b\nx:x:-1:\ny:x:99999999999:\n#c:x:7:\nok:x:8:\0\nz:x:9");
        assert_eq!(t.names.len(), 2);
        assert_eq!(t.name(8), Some("ok"));
        assert_eq!(t.name(9), Some("z"));
    }

    #[test]
    fn names_are_made_printable_and_bounded() {
        let t = Table::parse(b"e\x1b[1mvil:x:1:\n\xff\xfe:x:2:\n");
        assert_eq!(t.name(1), Some("e\u{fffd}[1mvil"));
        assert_eq!(t.name(2), Some("\u{fffd}\u{fffd}"));
        let long = [&[b'n'; 300], b":x:3:".as_slice()].concat();
        assert_eq!(Table::parse(&long).name(3), None);
    }

    #[test]
    fn a_file_with_too_many_entries_is_bounded() {
        let lines: Vec<_> = (0..20_000).map(|n| format!("u{n}:x:{n}:\n")).collect();
        let text = lines.concat();
        assert_eq!(Table::parse(text.as_bytes()).names.len(), 8192);
    }
}
