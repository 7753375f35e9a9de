//! Lists of byte strings as the kernel side writes them.

/// Names of a path, innermost first, each ended by a NUL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'a>(pub &'a [u8]);

impl<'a> Names<'a> {
    /// The names, innermost first.
    pub fn innermost_first(self) -> impl Iterator<Item = &'a [u8]> {
        Strings(self.0).iter()
    }

    /// The names, outermost first.
    pub fn outermost_first(self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.0.strip_suffix(b"\0").unwrap_or(self.0);
        let empty = self.0.is_empty();
        bytes.rsplit(|&b| b == 0).filter(move |_| !empty)
    }

    /// Whether there is no name: the root itself, or nothing was read.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Appends `/outermost/…/innermost` (nothing, if there is no name).
    pub fn write_path(self, out: &mut impl Extend<u8>) {
        for name in self.outermost_first() {
            out.extend(std::iter::once(b'/'));
            out.extend(name.iter().copied());
        }
    }
}

/// Strings back to back, each ended by a NUL; the last one may have been cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strings<'a>(pub &'a [u8]);

impl<'a> Strings<'a> {
    /// The strings in order, empty ones included.
    #[must_use]
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        let bytes = self.0.strip_suffix(b"\0").unwrap_or(self.0);
        let empty = self.0.is_empty();
        bytes.split(|&b| b == 0).filter(move |_| !empty)
    }

    /// The first string, which is `argv[0]`.
    #[must_use]
    pub fn first(self) -> Option<&'a [u8]> {
        self.iter().next()
    }

    /// The bytes after the first string and its NUL, which is `argv[1..]`.
    #[must_use]
    pub fn rest(self) -> Self {
        match memchr::memchr(0, self.0) {
            Some(end) => Self(&self.0[end + 1..]),
            None => Self(&[]),
        }
    }

    /// Whether there is no string at all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_written_outermost_first() {
        let mut out = Vec::new();
        Names(b"busybox\0bin\0").write_path(&mut out);
        assert_eq!(out, b"/bin/busybox");
    }

    #[test]
    fn no_name_is_an_empty_path() {
        let mut out = Vec::new();
        Names(b"").write_path(&mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn empty_arguments_are_kept() {
        let argv = Strings(b"t\0\0CASE\0\0\0");
        let got: Vec<_> = argv.iter().collect();
        assert_eq!(got, [b"t".as_slice(), b"", b"CASE", b"", b""]);
        let rest: Vec<_> = argv.rest().iter().collect();
        assert_eq!(rest, [b"".as_slice(), b"CASE", b"", b""]);
    }

    #[test]
    fn a_cut_last_argument_is_kept() {
        let got: Vec<_> = Strings(b"sh\0-c\0tru").iter().collect();
        assert_eq!(got, [b"sh".as_slice(), b"-c", b"tru"]);
    }

    #[test]
    fn one_empty_string_is_not_none() {
        assert_eq!(Strings(b"\0").iter().count(), 1);
        assert_eq!(Strings(b"").iter().count(), 0);
        assert!(Strings(b"a\0").rest().is_empty());
    }
}
