//! Buffers to which values and lines are appended.

use std::{fmt, ops::Deref};

use bytes::BytesMut;

/// Bytes that grow at their end: a vector, or a buffer whose beginning somebody else already
/// shares.
pub trait Buffer: Deref<Target = [u8]> {
    /// Appends bytes.
    fn append(&mut self, bytes: &[u8]);

    /// Keeps only the first `len` bytes.
    fn truncate(&mut self, len: usize);

    /// Appends one byte.
    #[inline]
    fn append_byte(&mut self, byte: u8) {
        self.append(&[byte]);
    }
}

impl Buffer for Vec<u8> {
    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        Self::truncate(self, len);
    }
}

impl Buffer for BytesMut {
    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        Self::truncate(self, len);
    }
}

impl Buffer for bumpalo::collections::Vec<'_, u8> {
    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice_copy(bytes);
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        Self::truncate(self, len);
    }
}

/// A buffer as a target of `write!`.
pub(super) struct Formatted<'a, B>(pub(super) &'a mut B);

impl<B: Buffer> fmt::Write for Formatted<'_, B> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.append(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content of a buffer after each operation.
    fn fill(mut buffer: impl Buffer) -> Vec<u8> {
        buffer.append(b"text");
        buffer.truncate(2);
        buffer.append_byte(b'!');
        buffer.to_vec()
    }

    #[test]
    fn vectors_and_shared_buffers_take_the_same_bytes() {
        assert_eq!(fill(Vec::new()), b"te!");
        assert_eq!(fill(BytesMut::new()), b"te!");
    }

    #[test]
    fn bytes_that_somebody_else_has_are_not_touched() {
        let mut buffer = BytesMut::with_capacity(100);
        buffer.append(b"one");
        let one = buffer.split().freeze();
        buffer.append(b"two");
        assert_eq!((&one[..], &buffer[..]), (&b"one"[..], &b"two"[..]));
    }
}
