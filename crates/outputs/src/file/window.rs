//! Lines that are being written, until they are confirmed.

use std::{collections::VecDeque, io::IoSlice};

use crate::Batch;

/// Batches in order: system calls have written the first `written` bytes, which can still be
/// missing on the disk or server.
#[derive(Debug, Default)]
pub(super) struct Window {
    batches: VecDeque<Batch>,
    bytes: usize,
    written: usize,
    /// Whether the first batch is the first line of a file.
    headed: bool,
}

impl Window {
    /// Appends lines.
    pub(super) fn push(&mut self, batch: Batch) {
        self.bytes += batch.bytes().len();
        self.batches.push_back(batch);
    }

    /// Puts the first line of a file before the other lines, none of which may be written; replaces
    /// a first line that was not written.
    pub(super) fn set_header(&mut self, header: Batch) {
        debug_assert_eq!(self.written, 0);
        self.remove_header();
        self.bytes += header.bytes().len();
        self.batches.push_front(header);
        self.headed = true;
    }

    /// Bytes that are not written.
    pub(super) fn unwritten(&self) -> usize {
        self.bytes - self.written
    }

    /// Bytes that are written and not confirmed.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Whether the window is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Counted lines that are not confirmed.
    pub(super) fn lines(&self) -> u64 {
        self.batches.iter().map(Batch::count).sum()
    }

    /// The next pieces to write: at most `most`, and at most that many bytes.
    pub(super) fn slices(&self, most: usize, mut bytes_left: usize) -> Vec<IoSlice<'_>> {
        let mut skip = self.written;
        let mut slices = Vec::with_capacity(most.min(self.batches.len()));
        for batch in &self.batches {
            let bytes = batch.bytes();
            if skip >= bytes.len() {
                skip -= bytes.len();
                continue;
            }
            let piece = &bytes[skip..];
            let piece = &piece[..piece.len().min(bytes_left)];
            slices.push(IoSlice::new(piece));
            bytes_left -= piece.len();
            skip = 0;
            if slices.len() == most || bytes_left == 0 {
                break;
            }
        }
        slices
    }

    /// `n` more bytes were written.
    pub(super) fn advance(&mut self, n: usize) {
        self.written = (self.written + n).min(self.bytes);
    }

    /// Whether the first line of the file is still to be written.
    pub(super) fn header_pending(&self) -> bool {
        self.headed && self.written == 0
    }

    /// Whether the last byte written ends a line.
    pub(super) fn at_line_start(&self) -> bool {
        self.line_start(self.written) == self.written
    }

    /// The start of the line that contains byte `at`.
    fn line_start(&self, at: usize) -> usize {
        let mut before = 0;
        for batch in &self.batches {
            let len = batch.bytes().len();
            if at < before + len {
                return before + batch.line_start(at - before);
            }
            before += len;
        }
        before
    }

    /// The whole lines that are written are confirmed: forgets them. Returns how many lines and how
    /// many bytes.
    pub(super) fn confirm(&mut self) -> (u64, usize) {
        let mut lines = 0;
        let mut bytes = 0;
        while let Some(batch) = self.batches.front() {
            let len = batch.bytes().len();
            if len <= self.written {
                lines += batch.count();
                bytes += len;
                self.written -= len;
                self.headed = false;
                self.batches.pop_front();
                continue;
            }
            let start = batch.line_start(self.written);
            if start > 0 {
                lines += batch.count_within(start);
                bytes += start;
                self.written -= start;
                let tail = batch.tail(start);
                self.batches[0] = tail;
            }
            break;
        }
        self.bytes -= bytes;
        (lines, bytes)
    }

    /// Nothing of the window is in the file: everything must be written again.
    pub(super) fn rewind(&mut self) {
        self.written = 0;
        self.remove_header();
    }

    /// Exactly the first `len` bytes are in the file.
    pub(super) fn set_written(&mut self, len: usize) {
        self.written = len.min(self.bytes);
    }

    fn remove_header(&mut self) {
        if std::mem::take(&mut self.headed)
            && let Some(header) = self.batches.pop_front()
        {
            self.bytes -= header.bytes().len();
        }
    }

    /// How many of the first bytes are equal to `found`, a piece of the file that can begin in the
    /// middle of the window, at `from`.
    pub(super) fn common(&self, from: usize, found: &[u8]) -> usize {
        let mut skip = from;
        let mut same = 0;
        for batch in &self.batches {
            let bytes = batch.bytes();
            if skip >= bytes.len() {
                skip -= bytes.len();
                continue;
            }
            let (ours, theirs) = (&bytes[skip..], &found[same..]);
            skip = 0;
            let len = ours.len().min(theirs.len());
            let equal = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
            same += equal;
            if equal < len || same == found.len() {
                break;
            }
        }
        same
    }

    /// Takes all batches, for another place.
    pub(super) fn drain(&mut self) -> Vec<Batch> {
        self.rewind();
        self.bytes = 0;
        self.batches.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use falco_rules::Priority;

    use super::*;

    fn header(line: &str) -> Batch {
        Batch::own(line.into(), Priority::Informational)
    }

    fn window() -> Window {
        let mut window = Window::default();
        window.push(Batch::of(&["one\n", "two\n"]));
        window.push(Batch::of(&["three\n"]));
        window
    }

    fn rest(window: &Window) -> Vec<u8> {
        window
            .slices(9, usize::MAX)
            .iter()
            .flat_map(|s| s.to_vec())
            .collect()
    }

    #[test]
    fn whole_lines_are_confirmed_and_a_half_one_stays() {
        let mut window = window();
        window.advance(6);
        assert!(!window.at_line_start());
        assert_eq!(window.confirm(), (1, 4));
        assert_eq!(rest(&window), b"o\nthree\n");
        window.advance(2);
        assert!(window.at_line_start());
        assert_eq!(window.confirm(), (1, 4));
        window.advance(6);
        assert_eq!(window.confirm(), (1, 6));
        assert!(window.is_empty());
    }

    #[test]
    fn pieces_have_no_more_bytes_than_may_be_written() {
        let window = window();
        let pieces = |bytes| {
            let pieces = window.slices(9, bytes);
            pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>()
        };
        assert_eq!(pieces(3), [3]);
        assert_eq!(pieces(8), [8]);
        assert_eq!(pieces(11), [8, 3]);
        assert_eq!(pieces(99), [8, 6]);
    }

    #[test]
    fn a_header_is_written_first_and_not_counted() {
        let mut window = window();
        window.set_header(header("head\n"));
        window.set_header(header("HEAD\n"));
        assert_eq!(rest(&window), b"HEAD\none\ntwo\nthree\n");
        window.advance(9);
        assert_eq!(window.confirm(), (1, 9));
    }

    #[test]
    fn a_header_is_not_written_again_into_another_file() {
        let mut window = window();
        window.set_header(header("head\n"));
        window.advance(7);
        window.rewind();
        assert_eq!(rest(&window), b"one\ntwo\nthree\n");
    }

    #[test]
    fn what_is_in_the_file_is_recognised() {
        let window = window();
        assert_eq!(window.common(0, b"one\ntwo\nthr"), 11);
        assert_eq!(window.common(0, b"one\nt\0\0"), 5);
        assert_eq!(window.common(4, b"two\nthree\nmore"), 10);
        assert_eq!(window.common(0, b"other"), 1);
    }
}
