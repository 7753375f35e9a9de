//! Whole lines on their way to the outputs.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// A line of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    end: u32,
    priority: u8,
}

/// Some whole lines, each ended by a newline; cheap to clone, so that each
/// output has its own.
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Bytes,
    lines: Arc<[Line]>,
    own: bool,
    spooled: Option<u64>,
}

impl Batch {
    /// A record that an output writes on its own account; not counted.
    #[must_use]
    pub fn own(line: Vec<u8>, priority: u8) -> Self {
        let end = u32::try_from(line.len()).unwrap_or(u32::MAX);
        Self {
            bytes: line.into(),
            lines: Arc::new([Line { end, priority }]),
            own: true,
            spooled: None,
        }
    }

    /// Lines read back from a segment of a spool; their priorities are not known any more.
    #[must_use]
    pub fn from_spool(bytes: &Bytes, segment: u64) -> Self {
        let mut lines = Vec::new();
        for end in memchr::memchr_iter(b'\n', bytes) {
            let end = u32::try_from(end + 1).unwrap_or(u32::MAX);
            lines.push(Line { end, priority: 7 });
        }
        let len = lines.last().map_or(0, |line| line.end as usize);
        Self {
            bytes: bytes.slice(..len),
            lines: lines.into(),
            own: false,
            spooled: Some(segment),
        }
    }

    /// The segment of a spool that it was read back from.
    #[must_use]
    pub fn segment(&self) -> Option<u64> {
        self.spooled
    }

    /// The lines back to back.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Number of lines that count: none of an own record.
    #[must_use]
    pub fn count(&self) -> u64 {
        if self.own { 0 } else { self.lines.len() as u64 }
    }

    /// Each line with its newline, and its priority (0 Emergency … 7 Debug).
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], u8)> {
        let mut start = 0;
        self.lines.iter().map(move |line| {
            let text = &self.bytes[start..line.end as usize];
            start = line.end as usize;
            (text, line.priority)
        })
    }

    /// Number of counted lines that end within the first `len` bytes.
    #[must_use]
    pub fn count_within(&self, len: usize) -> u64 {
        if self.own {
            return 0;
        }
        self.lines.partition_point(|line| line.end as usize <= len) as u64
    }

    /// Where the line begins that byte `at` is in.
    #[must_use]
    pub fn line_start(&self, at: usize) -> usize {
        let before = self.lines.partition_point(|line| line.end as usize <= at);
        before
            .checked_sub(1)
            .map_or(0, |i| self.lines[i].end as usize)
    }

    /// The lines from byte `at` on, which must be the start of a line.
    #[must_use]
    pub fn tail(&self, at: usize) -> Self {
        let from = self.lines.partition_point(|line| line.end as usize <= at);
        let shift = u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            bytes: self.bytes.slice(at..),
            lines: self.lines[from..]
                .iter()
                .map(|line| Line {
                    end: line.end - shift,
                    ..*line
                })
                .collect(),
            own: self.own,
            spooled: self.spooled,
        }
    }
}

/// Collects lines until they are handed out as a [`Batch`].
#[derive(Debug, Default)]
pub struct Builder {
    bytes: BytesMut,
    lines: Vec<Line>,
}

impl Builder {
    /// Room that a new buffer gets: it is a mapping of its own, see `lifecycle::keep_large_apart`.
    const CAPACITY: usize = 256 << 10;

    /// Appends a line, which must end with its only newline.
    pub fn push(&mut self, line: &[u8], priority: u8) {
        debug_assert!(memchr::memchr(b'\n', line) == Some(line.len().wrapping_sub(1)));
        if self.bytes.capacity() - self.bytes.len() < line.len() {
            self.bytes.reserve(line.len().max(Self::CAPACITY));
        }
        self.bytes.extend_from_slice(line);
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.lines.push(Line { end, priority });
    }

    /// Bytes collected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Hands out what was collected.
    pub fn take(&mut self) -> Batch {
        let batch = Batch {
            bytes: self.bytes.split().freeze(),
            lines: self.lines.as_slice().into(),
            own: false,
            spooled: None,
        };
        self.lines.clear();
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let mut builder = Builder::default();
        builder.push(b"one\n", 7);
        builder.push(b"two2\n", 3);
        builder.take()
    }

    #[test]
    fn lines_come_back_with_their_priorities() {
        let batch = batch();
        let lines: Vec<_> = batch.lines().collect();
        assert_eq!(lines, [(b"one\n".as_slice(), 7), (b"two2\n", 3)]);
    }

    #[test]
    fn a_line_counts_when_its_newline_is_within() {
        let batch = batch();
        assert_eq!(
            [0, 3, 4, 8, 9].map(|len| batch.count_within(len)),
            [0, 0, 1, 1, 2]
        );
        assert_eq!([0, 3, 4, 8].map(|at| batch.line_start(at)), [0, 0, 4, 4]);
    }

    #[test]
    fn a_tail_has_the_remaining_lines() {
        let tail = batch().tail(4);
        assert_eq!(tail.bytes().as_ref(), b"two2\n");
        assert_eq!(tail.count(), 1);
        assert_eq!(tail.count_within(5), 1);
    }

    #[test]
    fn an_own_record_is_not_counted() {
        let own = Batch::own(b"{}\n".to_vec(), 6);
        assert_eq!((own.count(), own.count_within(3)), (0, 0));
    }

    #[test]
    fn a_half_line_of_a_spool_is_left_out() {
        let batch = Batch::from_spool(&Bytes::from_static(b"a\nb\nhal"), 1);
        assert_eq!(batch.count(), 2);
        assert_eq!(batch.bytes().as_ref(), b"a\nb\n");
    }
}
