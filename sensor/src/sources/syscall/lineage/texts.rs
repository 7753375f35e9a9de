//! The texts of the cached programs, one after another in one buffer.
//!
//! Each stands behind a header that names its program. A new one goes to the end; where there is
//! no room, the texts that are still needed move together at the front. So no exec allocates
//! memory, no text keeps more than it needs, and a buffer is made at most two thirds larger than what
//! is needed of it.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Key;

/// Most bytes of the buffer.
const BUFFER_MAX: usize = 8 << 20;
/// Bytes of the first buffer.
const BUFFER_MIN: usize = 64 << 10;

/// What stands before each text.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Header {
    key: Key,
    /// Bytes of the text.
    len: u32,
    /// Not zero: nobody needs it any more.
    removed: u32,
}

const HEADER: usize = size_of::<Header>();

/// Where a text is, until the next [`Texts::push`] tells that it has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Where its header begins.
    at: u32,
    len: u16,
}

/// The texts.
#[derive(Default)]
pub(super) struct Texts {
    buffer: Vec<u8>,
    /// Bytes of texts that are needed, and of their headers.
    needed: usize,
}

impl Texts {
    /// Whether a text of so many bytes can be pushed. At most three quarters of the buffer are
    /// needed, so that what is moved to make room is no more than thrice the room that it makes.
    pub(super) fn fits(&self, len: u16) -> bool {
        self.needed + HEADER + usize::from(len) <= BUFFER_MAX / 4 * 3
    }

    /// Adds a text that [fits](Self::fits), given in parts. Others may move: `moved` is told where.
    /// Gives none for an empty text, or one that does not fit.
    pub(super) fn push(
        &mut self,
        key: Key,
        parts: &[&[u8]],
        len: u16,
        moved: impl FnMut(Key, Text),
    ) -> Option<Text> {
        if len == 0 || !self.fits(len) {
            return None;
        }
        let size = HEADER + usize::from(len);
        if self.buffer.len() + size > self.buffer.capacity() {
            self.make_room(size, moved);
        }
        let at = u32::try_from(self.buffer.len()).ok()?;
        let header = Header {
            key,
            len: len.into(),
            removed: 0,
        };
        self.buffer.extend_from_slice(header.as_bytes());
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        self.needed += size;
        Some(Text { at, len })
    }

    /// A text.
    pub(super) fn get(&self, text: Text) -> &[u8] {
        let start = text.at as usize + HEADER;
        &self.buffer[start..start + usize::from(text.len)]
    }

    /// A text that nobody needs any more.
    pub(super) fn remove(&mut self, text: Option<Text>) {
        let Some(Text { at, len }) = text else {
            return;
        };
        let flag = at as usize + std::mem::offset_of!(Header, removed);
        self.buffer[flag..flag + size_of::<u32>()].fill(1);
        self.needed -= HEADER + usize::from(len);
    }

    /// Moves what is needed to the front; enlarges the buffer if that would fill more than three
    /// quarters of it.
    fn make_room(&mut self, size: usize, mut moved: impl FnMut(Key, Text)) {
        let (mut from, mut to) = (0, 0);
        while let Ok((header, _)) = Header::read_from_prefix(&self.buffer[from..]) {
            let size = HEADER + header.len as usize;
            if header.removed == 0 {
                self.buffer.copy_within(from..from + size, to);
                if let (Ok(at), Ok(len)) = (u32::try_from(to), u16::try_from(header.len)) {
                    moved(header.key, Text { at, len });
                }
                to += size;
            }
            from += size;
        }
        self.buffer.truncate(to);
        let needed = (to + size) / 3 * 4;
        if needed > self.buffer.capacity() {
            let larger = (needed + needed / 4).clamp(BUFFER_MIN, BUFFER_MAX);
            self.buffer.reserve_exact(larger - to);
        }
    }

    /// Bytes of the buffer.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Texts, and where each was told to be.
    #[derive(Default)]
    struct Bed {
        texts: Texts,
        places: BTreeMap<u64, Text>,
    }

    impl Bed {
        fn push(&mut self, time: u64, text: &[u8]) {
            let (key, places) = (Key::new(1, time, 0), &mut self.places);
            let len = u16::try_from(text.len()).unwrap();
            let parts = text.split_at(text.len() / 2);
            let place = self.texts.push(key, &[parts.0, parts.1], len, |key, text| {
                places.insert(key.time, text);
            });
            self.places.insert(time, place.expect("it fits"));
        }

        fn remove(&mut self, time: u64) {
            self.texts.remove(self.places.remove(&time));
        }
    }

    /// A text of its own for each number, of another length than those about it.
    fn text(n: u64) -> Vec<u8> {
        let len = 20 + usize::try_from(n * 7919 % 900).unwrap();
        n.to_ne_bytes().into_iter().cycle().take(len).collect()
    }

    #[test]
    fn texts_are_the_same_wherever_they_move() {
        let mut bed = Bed::default();
        for n in 1..20_000 {
            bed.push(n, &text(n));
            // Every tenth stays for long.
            for old in [n.saturating_sub(500), n.saturating_sub(5000)] {
                if old > 0 && (old % 10 != 0 || old + 5000 == n) {
                    bed.remove(old);
                }
            }
        }
        assert!(bed.places.len() > 900);
        for (n, place) in &bed.places {
            assert_eq!(bed.texts.get(*place), text(*n), "{n}");
        }
    }

    #[test]
    fn the_buffer_stays_as_large_as_what_is_in_it_and_half_as_much_again() {
        let mut bed = Bed::default();
        for n in 1..50_000 {
            bed.push(n, &text(n));
            if n > 1000 {
                bed.remove(n - 1000);
            }
        }
        let most = 1000 * (HEADER + 920);
        assert!(bed.texts.needed < most);
        assert!(bed.texts.room() < most * 5 / 3, "{}", bed.texts.room());
    }

    #[test]
    fn more_than_three_quarters_of_the_largest_buffer_do_not_fit() {
        let mut bed = Bed::default();
        let longest = vec![b'x'; u16::MAX.into()];
        let mut pushed = 0;
        while bed.texts.fits(u16::MAX) {
            pushed += 1;
            bed.push(pushed, &longest);
        }
        assert!(bed.texts.room() <= BUFFER_MAX, "{}", bed.texts.room());
        assert!(pushed > 90, "{pushed}");
        let refused = bed.texts.push(Key::new(1, 1, 0), &[], u16::MAX, |_, _| {});
        assert_eq!(refused, None);
        bed.remove(1);
        assert!(bed.texts.fits(u16::MAX));
    }
}
