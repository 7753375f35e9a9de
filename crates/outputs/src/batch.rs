//! Whole lines on their way to the outputs.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use falco_rules::Priority;

use super::progress::Receipt;

/// A line of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    end: u32,
    priority: Priority,
}

/// Whole lines, each ended by a newline; cheap to clone, so that each output has a copy.
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Bytes,
    lines: Arc<[Line]>,
    own: bool,
    spooled: Option<u64>,
    /// For producers that wait until all outputs are done with the batch.
    receipt: Option<Arc<Receipt>>,
}

impl Batch {
    /// A record that an output writes by itself; it does not count.
    #[must_use]
    pub fn own(line: Vec<u8>, priority: Priority) -> Self {
        let end = u32::try_from(line.len()).unwrap_or(u32::MAX);
        Self {
            bytes: line.into(),
            lines: Arc::new([Line { end, priority }]),
            own: true,
            spooled: None,
            receipt: None,
        }
    }

    /// Lines read back from a segment of a spool; the segment does not have their priorities.
    #[must_use]
    pub fn from_spool(bytes: &Bytes, segment: u64) -> Self {
        let mut lines = Vec::new();
        for end in memchr::memchr_iter(b'\n', bytes) {
            let end = u32::try_from(end + 1).unwrap_or(u32::MAX);
            lines.push(Line {
                end,
                priority: Priority::Debug,
            });
        }
        let len = lines.last().map_or(0, |line| line.end as usize);
        Self {
            bytes: bytes.slice(..len),
            lines: lines.into(),
            own: false,
            spooled: Some(segment),
            receipt: None,
        }
    }

    /// The segment of a spool from which the lines were read back.
    #[must_use]
    pub fn segment(&self) -> Option<u64> {
        self.spooled
    }

    /// Attaches a receipt, which is dropped with the last copy of the batch.
    #[must_use]
    pub(super) fn with_receipt(mut self, receipt: Option<&Arc<Receipt>>) -> Self {
        self.receipt = receipt.cloned();
        self
    }

    /// Whether a producer waits for the last copy to be dropped.
    #[must_use]
    pub fn has_receipt(&self) -> bool {
        self.receipt.is_some()
    }

    /// The lines back to back.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Number of lines that count: zero for an output's own record.
    #[must_use]
    pub fn count(&self) -> u64 {
        if self.own { 0 } else { self.lines.len() as u64 }
    }

    /// Each line with its newline, and its priority.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], Priority)> {
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

    /// The start of the line that contains byte `at`.
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
            receipt: self.receipt.clone(),
        }
    }
}

/// Collects lines until the capture thread takes them as a [`Batch`].
///
/// Batches lie one after the other in a buffer. The builder uses a full buffer again when the
/// outputs are done with all of its lines: its memory pages are mapped, and perhaps in the CPU's
/// caches.
#[derive(Debug, Default)]
pub struct Builder {
    bytes: BytesMut,
    /// Whether `bytes` is a buffer of the usual size.
    usual: bool,
    lines: Vec<Line>,
    /// Full buffers of the usual size.
    full: Vec<BytesMut>,
}

impl Builder {
    /// Size of a buffer in bytes: large enough to be a memory mapping of its own, see
    /// `lifecycle::keep_large_apart`.
    const BUFFER: usize = 256 << 10;
    /// Most full buffers that the builder keeps; the memory of more goes back to the kernel when
    /// their lines are written.
    const KEPT: usize = 8;

    /// Bytes that a buffer must have free before another line begins: more than nearly all lines
    /// need. A longer line moves to a larger buffer while it is written.
    const LINE: usize = 8 << 10;

    /// Whether another line can begin in the buffer. If not, the caller takes the collected lines
    /// first, because the builder would copy them.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.bytes.capacity() - self.bytes.len() >= Self::LINE
    }

    /// Adds a line: `write` appends it, and its only newline must be at its end.
    pub fn line(&mut self, priority: Priority, write: impl FnOnce(&mut BytesMut)) {
        if !self.has_room() {
            self.change_buffer();
        }
        let (start, capacity) = (self.bytes.len(), self.bytes.capacity());
        write(&mut self.bytes);
        debug_assert!({
            let line = &self.bytes[start..];
            memchr::memchr(b'\n', line) == Some(line.len().wrapping_sub(1))
        });
        self.usual &= self.bytes.capacity() == capacity;
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.lines.push(Line { end, priority });
    }

    /// Goes over to a buffer with room for another line.
    fn change_buffer(&mut self) {
        let collected = self.bytes.split();
        let room = collected.len() + Self::LINE;
        let last = std::mem::take(&mut self.bytes);
        if self.usual && self.full.len() < Self::KEPT {
            self.full.push(last);
        }
        self.usual = room <= Self::BUFFER;
        let mut free = self.full.iter_mut();
        self.bytes = match free.position(|buffer| self.usual && buffer.try_reclaim(Self::BUFFER)) {
            Some(index) => self.full.swap_remove(index),
            None => BytesMut::with_capacity(room.max(Self::BUFFER)),
        };
        self.bytes.extend_from_slice(&collected);
    }

    /// Whether no line was collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether the last line has made the batch longer than a buffer: the lines before it are a
    /// batch of their own then.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.lines.len() > 1 && self.bytes.len() > Self::BUFFER
    }

    /// Returns the collected lines except for the last one.
    pub fn take_before_last(&mut self) -> Batch {
        let last = self.lines.pop();
        let start = self.lines.last().map_or(0, |line| line.end);
        let rest = self.bytes.split_off(start as usize);
        let batch = self.take();
        self.bytes = rest;
        self.lines.extend(last.map(|line| Line {
            end: line.end - start,
            ..line
        }));
        batch
    }

    /// Returns the collected lines.
    pub fn take(&mut self) -> Batch {
        let batch = Batch {
            bytes: self.bytes.split().freeze(),
            lines: self.lines.as_slice().into(),
            own: false,
            spooled: None,
            receipt: None,
        };
        self.lines.clear();
        batch
    }
}

#[cfg(test)]
impl Builder {
    /// Adds a line that is already in memory.
    pub(super) fn push(&mut self, line: &[u8], priority: Priority) {
        self.line(priority, |out| out.extend_from_slice(line));
    }
}

#[cfg(test)]
impl Batch {
    /// A batch of lines that are already in memory.
    pub(super) fn of(lines: &[&str]) -> Self {
        let mut builder = Builder::default();
        for line in lines {
            builder.push(line.as_bytes(), Priority::Debug);
        }
        builder.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBUG: Priority = Priority::Debug;

    fn batch() -> Batch {
        let mut builder = Builder::default();
        builder.push(b"one\n", DEBUG);
        builder.push(b"two2\n", Priority::Error);
        builder.take()
    }

    #[test]
    fn lines_come_back_with_their_priorities() {
        let batch = batch();
        let lines: Vec<_> = batch.lines().collect();
        assert_eq!(
            lines,
            [(b"one\n".as_slice(), DEBUG), (b"two2\n", Priority::Error)]
        );
    }

    /// A line of that many bytes.
    fn line(len: usize) -> Vec<u8> {
        let mut line = vec![b'a'; len - 1];
        line.push(b'\n');
        line
    }

    #[test]
    fn a_buffer_is_used_again_when_its_lines_are_written() {
        let mut builder = Builder::default();
        let mut take_full = || {
            builder.push(&line(Builder::BUFFER), DEBUG);
            builder.take()
        };
        let (first, second) = (take_full(), take_full());
        let (at, other) = (first.bytes().as_ptr(), second.bytes().as_ptr());
        assert_ne!(at, other, "the first is still in use");
        let part = first.tail(0);
        drop(first);
        let third = take_full();
        assert!(![at, other].contains(&third.bytes().as_ptr()));
        drop(part);
        assert_eq!(take_full().bytes().as_ptr(), at);
        assert!(second.bytes() == third.bytes());
    }

    #[test]
    fn a_buffer_holds_many_batches() {
        let mut builder = Builder::default();
        let batches: Vec<_> = (0..3)
            .map(|_| {
                builder.push(&line(1000), DEBUG);
                builder.take()
            })
            .collect();
        let at = |batch: &Batch| batch.bytes().as_ptr() as usize;
        assert_eq!(at(&batches[1]) - at(&batches[0]), 1000);
        assert_eq!(at(&batches[2]) - at(&batches[1]), 1000);
    }

    #[test]
    fn buffers_of_an_unusual_size_are_not_kept() {
        let mut builder = Builder::default();
        builder.push(&line(4 * Builder::BUFFER), DEBUG);
        drop(builder.take());
        builder.push(&line(10), DEBUG);
        assert!(builder.full.is_empty());
        assert_eq!(builder.bytes.capacity(), Builder::BUFFER);
    }

    #[test]
    fn no_more_than_a_few_full_buffers_are_kept() {
        let mut builder = Builder::default();
        let mut batches = Vec::new();
        for _ in 0..3 * Builder::KEPT {
            builder.push(&line(Builder::BUFFER), DEBUG);
            batches.push(builder.take());
        }
        assert_eq!(builder.full.len(), Builder::KEPT);
    }

    #[test]
    fn what_was_collected_goes_over_to_the_next_buffer() {
        let mut builder = Builder::default();
        let near_the_end = line(Builder::BUFFER - Builder::LINE + 1);
        builder.push(&near_the_end, DEBUG);
        assert!(!builder.has_room());
        builder.push(b"one\n", Priority::Error);
        let batch = builder.take();
        assert_eq!(
            batch.lines().collect::<Vec<_>>(),
            [(&near_the_end[..], DEBUG), (&b"one\n"[..], Priority::Error)]
        );
    }

    #[test]
    fn the_lines_before_one_that_outgrows_the_buffer_are_a_batch_of_their_own() {
        let mut builder = Builder::default();
        builder.push(b"one\n", DEBUG);
        builder.push(b"two\n", DEBUG);
        assert!(!builder.is_too_long());
        let long = line(Builder::BUFFER);
        builder.push(&long, Priority::Error);
        assert!(builder.is_too_long());
        assert_eq!(builder.take_before_last().bytes().as_ref(), b"one\ntwo\n");
        assert!(!builder.is_too_long());
        let batch = builder.take();
        let lines: Vec<_> = batch.lines().collect();
        assert_eq!(lines, [(&long[..], Priority::Error)]);
    }

    #[test]
    fn a_line_is_written_where_the_outputs_read_it() {
        let mut builder = Builder::default();
        builder.push(b"one\n", DEBUG);
        let mut at = std::ptr::null();
        builder.line(DEBUG, |out| {
            out.extend_from_slice(b"two\n");
            at = out[4..].as_ptr();
        });
        assert_eq!(builder.take().bytes()[4..].as_ptr(), at);
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
        let own = Batch::own(b"{}\n".to_vec(), DEBUG);
        assert_eq!((own.count(), own.count_within(3)), (0, 0));
    }

    #[test]
    fn a_half_line_of_a_spool_is_left_out() {
        let batch = Batch::from_spool(&Bytes::from_static(b"a\nb\nhal"), 1);
        assert_eq!(batch.count(), 2);
        assert_eq!(batch.bytes().as_ref(), b"a\nb\n");
    }
}
