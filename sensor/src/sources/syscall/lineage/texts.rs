//! The texts of the cached programs, one after another in one buffer.
//!
//! Each text stands behind a header that names its program. A new text goes to the end; if the end
//! has no room, the texts in use move together to the front. So no exec allocates memory, no text
//! takes more room than it needs, and the buffer is at most two thirds larger than the texts in
//! use.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Key;

/// Most bytes of the buffer.
const BUFFER_MAX: usize = 8 << 20;
/// Bytes of the first buffer.
const BUFFER_MIN: usize = 64 << 10;

/// The header before each text.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Header {
    key: Key,
    /// Bytes of the text.
    len: u32,
    /// Not zero if the text is no longer in use.
    removed: u32,
}

const HEADER: usize = size_of::<Header>();

/// Where a text is, until [`Texts::push`] reports that the text has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// The position of the text's header, in bytes from the start of the buffer.
    at: u32,
    len: u16,
}

/// The texts.
#[derive(Clone)]
pub(super) struct Texts {
    buffer: Vec<u8>,
    /// Most bytes of the buffer.
    most: usize,
    /// Bytes of the texts in use and of their headers.
    needed: usize,
}

impl Default for Texts {
    fn default() -> Self {
        Self::new(BUFFER_MAX)
    }
}

impl Texts {
    /// No text yet, in a buffer of at most that many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            buffer: Vec::new(),
            most,
            needed: 0,
        }
    }

    /// Whether a text of `len` bytes fits. At most three quarters of the buffer may be in use, so
    /// that making room moves at most three times as many bytes as it frees.
    pub(super) fn fits(&self, len: u16) -> bool {
        self.needed + HEADER + usize::from(len) <= self.most / 4 * 3
    }

    /// Adds a text that [fits](Self::fits), given in parts. Other texts may move: then `moved` gets
    /// the new position of each. Returns none for an empty text, or one that does not fit.
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

    /// Marks a text as no longer in use.
    pub(super) fn remove(&mut self, text: Option<Text>) {
        let Some(Text { at, len }) = text else {
            return;
        };
        let flag = at as usize + std::mem::offset_of!(Header, removed);
        self.buffer[flag..flag + size_of::<u32>()].fill(1);
        self.needed -= HEADER + usize::from(len);
    }

    /// Moves the texts in use to the front, and enlarges the buffer if they would fill more than
    /// three quarters of it.
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
            let larger = (needed + needed / 4).clamp(BUFFER_MIN, self.most);
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

    /// Texts, and the last reported position of each.
    #[derive(Default)]
    struct Recorded {
        texts: Texts,
        places: BTreeMap<u64, Text>,
    }

    impl Recorded {
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

    /// The text of a number, different from the texts of other numbers, and of another length than
    /// its neighbours.
    fn text(n: u64) -> Vec<u8> {
        let len = 20 + usize::try_from(n * 7919 % 900).unwrap();
        n.to_ne_bytes().into_iter().cycle().take(len).collect()
    }

    #[test]
    fn texts_stay_the_same_when_they_move() {
        let mut recorded = Recorded::default();
        for n in 1..20_000 {
            recorded.push(n, &text(n));
            // Every tenth text stays for long.
            for old in [n.saturating_sub(500), n.saturating_sub(5000)] {
                if old > 0 && (old % 10 != 0 || old + 5000 == n) {
                    recorded.remove(old);
                }
            }
        }
        assert!(recorded.places.len() > 900);
        for (n, place) in &recorded.places {
            assert_eq!(recorded.texts.get(*place), text(*n), "{n}");
        }
    }

    #[test]
    fn the_buffer_is_at_most_two_thirds_larger_than_its_texts() {
        let mut recorded = Recorded::default();
        for n in 1..50_000 {
            recorded.push(n, &text(n));
            if n > 1000 {
                recorded.remove(n - 1000);
            }
        }
        let most = 1000 * (HEADER + 920);
        assert!(recorded.texts.needed < most);
        assert!(
            recorded.texts.room() < most * 5 / 3,
            "{}",
            recorded.texts.room()
        );
    }

    #[test]
    fn more_than_three_quarters_of_the_largest_buffer_do_not_fit() {
        let mut recorded = Recorded::default();
        let longest = vec![b'x'; u16::MAX.into()];
        let mut pushed = 0;
        while recorded.texts.fits(u16::MAX) {
            pushed += 1;
            recorded.push(pushed, &longest);
        }
        assert!(
            recorded.texts.room() <= BUFFER_MAX,
            "{}",
            recorded.texts.room()
        );
        assert!(pushed > 90, "{pushed}");
        let refused = recorded
            .texts
            .push(Key::new(1, 1, 0), &[], u16::MAX, |_, _| {});
        assert_eq!(refused, None);
        recorded.remove(1);
        assert!(recorded.texts.fits(u16::MAX));
    }
}
