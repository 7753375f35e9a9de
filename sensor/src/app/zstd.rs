//! Files that zstd has compressed: frames one after another, and frames to skip.

use std::io::{self, BufRead as _, BufReader, Read};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// The content of a file that zstd has compressed.
pub(super) struct Zstd<R> {
    file: BufReader<R>,
    decoder: FrameDecoder,
    is_in_frame: bool,
}

impl<R: Read> Zstd<R> {
    /// The content of a file, from its first frame on.
    pub(super) fn new(file: R) -> Self {
        Self {
            file: BufReader::new(file),
            decoder: FrameDecoder::new(),
            is_in_frame: false,
        }
    }

    /// Begins the next frame. Returns false at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.file.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.file) {
                Ok(()) => {
                    self.is_in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = (&mut self.file).take(length.into());
                    if io::copy(&mut skipped, &mut io::sink())? < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(wrong(&error)),
            }
        }
        Ok(false)
    }

    /// Ends a frame: compares the checksums, if the frame has one.
    fn end(&mut self) -> io::Result<()> {
        self.is_in_frame = false;
        let said = self.decoder.get_checksum_from_data();
        if said.is_some() && said != self.decoder.get_calculated_checksum() {
            return Err(wrong(&"the checksum is wrong"));
        }
        Ok(())
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while self.is_in_frame || self.begin()? {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let some = BlockDecodingStrategy::UptoBytes(out.len());
                let decoded = self.decoder.decode_blocks(&mut self.file, some);
                decoded.map_err(|error| wrong(&error))?;
            }
            let read = self.decoder.read(out)?;
            if read > 0 {
                return Ok(read);
            }
            self.end()?;
        }
        Ok(0)
    }
}

fn wrong(what: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("zstd cannot unpack the file: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        compress_to_vec(content, CompressionLevel::Fastest)
    }

    fn unpacked(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Zstd::new(file).read_to_end(&mut content).map(|_| content)
    }

    /// Lines whose content is not the same throughout.
    fn lines() -> Vec<u8> {
        let lines = (0..20_000).map(|n| format!("{{\"line\":{n},\"square\":{}}}\n", n * n));
        lines.collect::<String>().into_bytes()
    }

    #[test]
    fn frames_are_read_one_after_another_without_those_to_skip() {
        let mut file = packed(&lines());
        file.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        file.extend(packed(b"last"));
        let mut expected = lines();
        expected.extend(b"last");
        assert_eq!(unpacked(&file).unwrap(), expected);
    }

    #[test]
    fn a_file_that_is_cut_is_an_error() {
        let file = packed(&lines());
        for end in [5, 100, file.len() - 1] {
            let error = unpacked(&file[..end]).unwrap_err();
            assert!(error.to_string().contains("zstd"), "{end}: {error}");
        }
    }

    #[test]
    fn a_changed_byte_is_an_error_or_changes_the_checksum() {
        let mut file = packed(&lines());
        let at = file.len() / 2;
        file[at] ^= 1;
        assert!(unpacked(&file).is_err());
    }
}
