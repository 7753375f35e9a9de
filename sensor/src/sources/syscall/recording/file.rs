//! A recording in a file: blocks of frames, each compressed, with a checksum.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use lz4_flex::block;

/// The first bytes of a recording: the name of the form, and its version.
pub const MAGIC: &[u8; 16] = b"sensor-record\0\x01\0";
/// Most chunks that wait for the disk.
const WAITING: usize = 256;
/// Most bytes of a block's frames.
const BLOCK_MAX: usize = 64 << 20;
/// Bytes before each block: its length in the file, the length of its frames, the checksum of what is
/// in the file.
const HEAD: usize = 12;

/// Writes a recording, in a thread of its own.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    thread: JoinHandle<io::Result<u64>>,
}

impl Writer {
    /// Makes the file, and starts the thread. Whoever has the sender passes on chunks of whole frames.
    ///
    /// # Errors
    /// If the file exists already or cannot be made.
    pub fn start(path: &Path) -> io::Result<(Self, SyncSender<Vec<u8>>)> {
        Self::to(create(path)?, path)
    }

    /// Starts the thread, which writes to a file that is open. `path` names the file in messages.
    ///
    /// # Errors
    /// If the file cannot be written, or the kernel refuses the thread.
    pub fn to(mut file: File, path: &Path) -> io::Result<(Self, SyncSender<Vec<u8>>)> {
        file.write_all(MAGIC)?;
        let written = AtomicU64::new(MAGIC.len() as u64);
        let (sender, chunks) = sync_channel(WAITING);
        let thread = thread::Builder::new()
            .name("recording".into())
            .spawn(move || write(file, &chunks, &written))?;
        let path = path.to_owned();
        Ok((Self { path, thread }, sender))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the thread has ended: before its senders are gone only because the disk refused.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until the file has all chunks; the senders must be gone. Returns the bytes of the file.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn finish(self) -> io::Result<u64> {
        let panicked = |_| io::Error::other("the thread panicked");
        self.thread.join().map_err(panicked)?
    }
}

/// Makes a file that only its owner may read: events are as secret as the sensor's lines.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a file, and writes chunks of frames until their sender is gone. `written` has the bytes so
/// far. Returns the bytes of the file.
///
/// # Errors
/// If the file exists already, or what the disk refused.
pub(super) fn write_new(
    path: &Path,
    chunks: &Receiver<Vec<u8>>,
    written: &AtomicU64,
) -> io::Result<u64> {
    let mut file = create(path)?;
    file.write_all(MAGIC)?;
    written.fetch_add(MAGIC.len() as u64, Relaxed);
    write(file, chunks, written)
}

fn write(mut file: File, chunks: &Receiver<Vec<u8>>, written: &AtomicU64) -> io::Result<u64> {
    let mut block = Vec::new();
    for chunk in chunks {
        block.clear();
        append_block(&chunk, &mut block);
        file.write_all(&block)?;
        written.fetch_add(block.len() as u64, Relaxed);
    }
    // A pipe has no disk to wait for.
    match file.sync_all() {
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(written.load(Relaxed)),
    }
}

/// Appends a block with frames.
pub fn append_block(frames: &[u8], out: &mut Vec<u8>) {
    let stored = block::compress(frames);
    let number = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&number(stored.len()));
    out.extend_from_slice(&number(frames.len()));
    out.extend_from_slice(&crc32fast::hash(&stored).to_le_bytes());
    out.extend_from_slice(&stored);
}

/// Why a recording cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is no recording.
    #[error("no recording of a sensor")]
    Magic,
    /// The recording has another form.
    #[error("a recording of form {0}; this sensor reads form {form}", form = MAGIC[14])]
    Version(u8),
    /// A block is damaged.
    #[error("the recording is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the block begins.
        at: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a recording.
pub struct Reader<R> {
    file: R,
    at: u64,
    stored: Vec<u8>,
    frames: Vec<u8>,
    is_cut: bool,
}

impl Reader<BufReader<File>> {
    /// Opens a recording.
    ///
    /// # Errors
    /// If the file cannot be opened, or is no recording of this form.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::new(BufReader::new(File::open(path)?))
    }
}

impl<R: Read> Reader<R> {
    /// Reads a recording from its first byte on.
    ///
    /// # Errors
    /// If it is no recording of this form.
    pub fn new(mut file: R) -> Result<Self, ReadError> {
        let mut magic = Vec::new();
        file.by_ref()
            .take(MAGIC.len() as u64)
            .read_to_end(&mut magic)?;
        let same = magic.iter().zip(MAGIC).take_while(|(a, b)| a == b).count();
        if magic.is_empty() || same < magic.len().min(14) {
            return Err(ReadError::Magic);
        }
        if same < magic.len() {
            return Err(ReadError::Version(magic[same.min(14)]));
        }
        Ok(Self {
            file,
            at: magic.len() as u64,
            stored: Vec::new(),
            frames: Vec::new(),
            is_cut: magic.len() < MAGIC.len(),
        })
    }

    /// The frames of the next block; none at the end.
    ///
    /// # Errors
    /// If the block is damaged. A block that is cut is the end of a recording that is cut.
    pub fn block(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let mut head = [0; HEAD];
        let got = self.fill_head(&mut head)?;
        if got < HEAD {
            self.is_cut |= got > 0;
            return Ok(None);
        }
        let number = |at: usize| {
            let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            u32::from_le_bytes(bytes)
        };
        let (stored, len, sum) = (number(0) as usize, number(4) as usize, number(8));
        if len > BLOCK_MAX || stored > block::get_maximum_output_size(len) {
            return Err(self.damaged(&"a block is longer than any that a sensor writes"));
        }
        self.stored.clear();
        let limit = stored as u64;
        let read = (&mut self.file).take(limit).read_to_end(&mut self.stored)?;
        if read < stored {
            self.is_cut = true;
            return Ok(None);
        }
        if crc32fast::hash(&self.stored) != sum {
            return Err(self.damaged(&"the checksum is wrong"));
        }
        self.frames.resize(len, 0);
        match block::decompress_into(&self.stored, &mut self.frames) {
            Ok(got) if got == len => {}
            Ok(_) => return Err(self.damaged(&"the length is wrong")),
            Err(error) => return Err(self.damaged(&error)),
        }
        self.at += (HEAD + stored) as u64;
        Ok(Some(&self.frames))
    }

    /// Whether the recording ends within a block: whoever wrote it was interrupted.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn fill_head(&mut self, head: &mut [u8; HEAD]) -> io::Result<usize> {
        let mut got = 0;
        while got < HEAD {
            match self.file.read(&mut head[got..]) {
                Ok(0) => break,
                Ok(read) => got += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }

    fn damaged(&self, what: &dyn std::fmt::Display) -> ReadError {
        ReadError::Damaged {
            at: self.at,
            what: what.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        append_block(&[7; 1000], &mut bytes);
        append_block(b"second", &mut bytes);
        bytes
    }

    /// The blocks that can be read, whether the recording is cut, and the error.
    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, bool, Option<String>) {
        let mut blocks = Vec::new();
        let mut reader = match Reader::new(bytes) {
            Ok(reader) => reader,
            Err(error) => return (blocks, false, Some(error.to_string())),
        };
        loop {
            match reader.block() {
                Ok(Some(block)) => blocks.push(block.to_vec()),
                Ok(None) => return (blocks, reader.is_cut(), None),
                Err(error) => return (blocks, false, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn blocks_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let (writer, chunks) = Writer::start(&path).unwrap();
        assert!(Writer::start(&path).is_err(), "it exists");
        chunks.send(vec![7; 1000]).unwrap();
        chunks.send(b"second".to_vec()).unwrap();
        drop(chunks);
        let size = writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, size);
        assert_eq!(bytes, recording());
        let (blocks, is_cut, error) = read(&bytes);
        assert_eq!(blocks, [vec![7; 1000], b"second".to_vec()]);
        assert_eq!((is_cut, error), (false, None));
    }

    #[test]
    fn a_recording_that_is_cut_anywhere_is_read_up_to_the_cut() {
        let bytes = recording();
        let mut first = MAGIC.to_vec();
        append_block(&[7; 1000], &mut first);
        for end in 1..bytes.len() {
            let (blocks, is_cut, error) = read(&bytes[..end]);
            assert_eq!(error, None, "{end}");
            assert_eq!(blocks.len(), usize::from(end >= first.len()), "{end}");
            let is_whole = end == MAGIC.len() || end == first.len();
            assert_eq!(is_cut, !is_whole, "{end}");
        }
    }

    #[test]
    fn a_changed_byte_is_found_with_its_place() {
        let bytes = recording();
        for at in MAGIC.len()..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x40;
            let (blocks, is_cut, error) = read(&wrong);
            assert!(error.is_some() || is_cut, "{at}: {}", blocks.len());
        }
        let mut wrong = bytes.clone();
        wrong[MAGIC.len() + HEAD] ^= 1;
        let error = read(&wrong).2.unwrap();
        assert_eq!(
            error,
            "the recording is damaged at byte 16: the checksum is wrong"
        );
    }

    #[test]
    fn other_files_are_no_recordings() {
        assert_eq!(read(b"{\"rule\":1}").2.unwrap(), "no recording of a sensor");
        assert_eq!(read(b"").2.unwrap(), "no recording of a sensor");
        let mut newer = recording();
        newer[14] = 9;
        assert_eq!(
            read(&newer).2.unwrap(),
            "a recording of form 9; this sensor reads form 1"
        );
    }
}
