//! The text of passwd and group files.

use crate::text::clean;

/// Most entries of a file that are kept.
const ENTRIES_MAX: usize = 8192;
/// Longest name that is kept.
const NAME_MAX: usize = 256;

/// An entry of a passwd or group file; an entry of a group has no more than a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    number: u32,
    /// The name.
    pub(crate) name: Box<str>,
    /// The home directory of a user.
    pub(crate) home: Box<str>,
    /// The login shell of a user.
    pub(crate) shell: Box<str>,
}

/// Entries by number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    entries: Box<[Entry]>,
}

impl Table {
    /// Reads `name:password:number:…` lines, the common form of passwd and group. The first name of
    /// a number counts, as in libc; the parser skips invalid lines.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut entries: Vec<Entry> = text
            .split(|&b| b == b'\n')
            .filter_map(entry)
            .take(ENTRIES_MAX)
            .collect();
        entries.sort_by_key(|entry| entry.number);
        entries.dedup_by_key(|entry| entry.number);
        Self {
            entries: entries.into(),
        }
    }

    /// Sets the entry of a number; nothing if that number has no name any more.
    pub(crate) fn set(&mut self, number: u32, texts: Option<[&str; 3]>) {
        let mut entries = std::mem::take(&mut self.entries).into_vec();
        entries.retain(|entry| entry.number != number);
        if let Some([name, home, shell]) = texts {
            let at = entries.partition_point(|entry| entry.number < number);
            let entry = Entry {
                number,
                name: name.into(),
                home: home.into(),
                shell: shell.into(),
            };
            entries.insert(at, entry);
        }
        self.entries = entries.into();
    }

    /// The entry of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&Entry> {
        let entries = &self.entries;
        let at = entries.binary_search_by_key(&number, |entry| entry.number);
        Some(&entries[at.ok()?])
    }
}

fn entry(line: &[u8]) -> Option<Entry> {
    let mut parts = line.split(|&b| b == b':');
    let (name, _, number) = (parts.next()?, parts.next()?, parts.next()?);
    if name.is_empty() || name[0] == b'#' || name.len() > NAME_MAX {
        return None;
    }
    let text = |bytes: &[u8]| clean(&String::from_utf8_lossy(bytes), NAME_MAX * 3);
    // Behind them stand the group and the comment.
    let mut path = |skipped| text(parts.nth(skipped).unwrap_or_default());
    Some(Entry {
        number: std::str::from_utf8(number).ok()?.parse().ok()?,
        name: text(name),
        home: path(2),
        shell: path(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(table: &Table, number: u32) -> Option<&str> {
        Some(&*table.get(number)?.name)
    }

    #[test]
    fn a_user_has_a_home_and_a_shell_and_a_group_has_none() {
        let t = Table::parse(b"www:x:33:33:www,,:/var/www:/usr/sbin/nologin\nstaff:x:50:a,b\n");
        let www = t.get(33).unwrap();
        assert_eq!((&*www.home, &*www.shell), ("/var/www", "/usr/sbin/nologin"));
        let staff = t.get(50).unwrap();
        assert_eq!((&*staff.home, &*staff.shell), ("", ""));
    }

    #[test]
    fn the_first_name_of_a_number_counts() {
        let t = Table::parse(b"root:x:0:0:r:/:/bin/sh\ntoor:x:0:0::/:\napp:x:1000:\n");
        assert_eq!(name(&t, 0), Some("root"));
        assert_eq!(name(&t, 1000), Some("app"));
        assert_eq!(name(&t, 5), None);
    }

    #[test]
    fn lines_that_make_no_sense_are_skipped() {
        let t =
            Table::parse(b"\n:x:1:\nno\na:b\nx:x:-1:\ny:x:99999999999:\n#c:x:7:\nok:x:8:\0\nz:x:9");
        assert_eq!(t.entries.len(), 2);
        assert_eq!(name(&t, 8), Some("ok"));
        assert_eq!(name(&t, 9), Some("z"));
    }

    #[test]
    fn names_are_made_printable_and_bounded() {
        let t = Table::parse(b"e\x1b[1mvil:x:1:\n\xff\xfe:x:2:\n");
        assert_eq!(name(&t, 1), Some("e\u{fffd}[1mvil"));
        assert_eq!(name(&t, 2), Some("\u{fffd}\u{fffd}"));
        let long = [&[b'n'; 300], b":x:3:".as_slice()].concat();
        assert_eq!(name(&Table::parse(&long), 3), None);
    }

    #[test]
    fn a_file_with_too_many_entries_is_bounded() {
        let lines: Vec<_> = (0..20_000).map(|n| format!("u{n}:x:{n}:\n")).collect();
        let text = lines.concat();
        assert_eq!(Table::parse(text.as_bytes()).entries.len(), 8192);
    }
}
