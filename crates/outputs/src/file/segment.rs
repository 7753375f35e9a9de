//! One file of the spool directory.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use tracing::warn;

use crate::{Batch, Entry, Gap, internal::nanoseconds};

/// Begins a line that stands for missing lines; no line of an output begins so.
const GAP: u8 = 1;

/// Lines on disk, in order. The segment is removed when all of its lines are in the log file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// A former run wrote the segment: this run appends nothing, and the last line can be cut.
    pub(super) former: bool,
    file: File,
    /// Bytes in the segment.
    pub(super) len: u64,
    /// Bytes that were read.
    pub(super) read: u64,
    /// Lines that were not read.
    pub(super) lines: u64,
}

impl Segment {
    /// Begins an empty segment.
    pub(super) fn create(path: PathBuf, number: u64) -> io::Result<Self> {
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::CLOEXEC
            | OFlags::NOFOLLOW
            | OFlags::APPEND;
        let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Self {
            number,
            path,
            former: false,
            file: file.into(),
            len: 0,
            read: 0,
            lines: 0,
        })
    }

    /// Opens the segment of a former run.
    pub(super) fn open(path: PathBuf, number: u64) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::APPEND;
        let file = File::from(rustix::fs::open(&path, flags, Mode::empty())?);
        let len = file.metadata()?.len();
        Ok(Self {
            number,
            path,
            former: true,
            file,
            len,
            read: 0,
            lines: 0,
        })
    }

    /// Appends entries; on failure none of them counts as written.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<u64> {
        let mut bytes = Vec::new();
        let mut lines = 0;
        let mut safe = false;
        for entry in entries {
            match entry {
                Entry::Batch(batch) => {
                    bytes.extend_from_slice(batch.bytes());
                    lines += batch.count();
                    safe |= batch.has_receipt();
                }
                Entry::Gap(gap) => {
                    bytes.push(GAP);
                    let since = nanoseconds(gap.since);
                    writeln!(bytes, "{} {since}", gap.lines)?;
                }
            }
        }
        let mut written = self.file.write_all(&bytes);
        if safe {
            // The producer forgets its lines when it learns that they are done.
            written = written.and_then(|()| self.file.sync_data());
        }
        if let Err(error) = written {
            // Nobody relies on the bytes behind `len`.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += bytes.len() as u64;
        self.lines += lines;
        Ok(bytes.len() as u64)
    }

    /// Reads on: whole lines, about `most` bytes. Also returns the number of bytes.
    pub(super) fn read(&mut self, most: usize) -> io::Result<(Vec<Entry>, u64)> {
        let left = usize::try_from(self.len - self.read).unwrap_or(usize::MAX);
        let mut buffer = vec![0; left.min(most)];
        self.file.read_exact_at(&mut buffer, self.read)?;
        let whole = match memchr::memrchr(b'\n', &buffer) {
            Some(end) => end + 1,
            // One line is longer than `most`.
            None if left > most => return self.read(left),
            // The last line is cut, after a crash.
            None => 0,
        };
        buffer.truncate(whole);
        let taken = if whole == 0 { left } else { whole } as u64;
        self.read += taken;
        let entries = entries(buffer.into(), self.number);
        let lines: u64 = entries.iter().map(Entry::lines).sum();
        self.lines = self.lines.saturating_sub(lines);
        Ok((entries, taken))
    }

    /// Whether everything has been read.
    pub(super) fn is_read(&self) -> bool {
        self.read == self.len
    }

    /// Counts the lines that were not read.
    pub(super) fn count(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        let mut at = self.read;
        let (mut lines, mut begins) = (0, true);
        while at < self.len {
            let n = self.file.read_at(&mut buffer, at)?;
            if n == 0 {
                break;
            }
            let found = &buffer[..n];
            lines += memchr::memchr_iter(b'\n', found).count() as u64;
            for mark in memchr::memchr_iter(GAP, found) {
                let first = if mark == 0 {
                    begins
                } else {
                    found[mark - 1] == b'\n'
                };
                lines = lines.saturating_sub(u64::from(first));
            }
            begins = found.last() == Some(&b'\n');
            at += n as u64;
        }
        self.lines = lines;
        Ok(())
    }

    /// Skips everything up to the end of a line, if the segment has that line, and counts the rest.
    pub(super) fn skip_behind(&mut self, line: &[u8]) -> io::Result<bool> {
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, 0)?;
        let at =
            memchr::memmem::rfind_iter(&bytes, line).find(|&at| at == 0 || bytes[at - 1] == b'\n');
        if let Some(at) = at {
            self.read = (at + line.len()) as u64;
            self.count()?;
        }
        Ok(at.is_some())
    }

    /// Removes the file of the segment.
    pub(super) fn remove(path: &Path) {
        if let Err(error) = std::fs::remove_file(path) {
            warn!("{}: cannot be removed: {error}", path.display());
        }
    }
}

/// Splits the bytes that were read into batches, and gaps between them.
fn entries(bytes: Bytes, segment: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let next = memchr::memchr_iter(GAP, &rest).find(|&at| at == 0 || rest[at - 1] == b'\n');
        let lines = rest.split_to(next.unwrap_or(rest.len()));
        if !lines.is_empty() {
            entries.push(Entry::Batch(Batch::from_spool(&lines, segment)));
        }
        if next.is_some() {
            let end = memchr::memchr(b'\n', &rest).map_or(rest.len(), |end| end + 1);
            let gap = rest.split_to(end);
            entries.extend(std::str::from_utf8(&gap[1..]).ok().and_then(parse_gap));
        }
    }
    entries
}

fn parse_gap(text: &str) -> Option<Entry> {
    let (lines, since) = text.trim_end().split_once(' ')?;
    let since = std::time::Duration::from_nanos(since.parse().ok()?);
    Some(Entry::Gap(Gap {
        lines: lines.parse().ok()?,
        since: std::time::UNIX_EPOCH + since,
    }))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn batch(text: &'static str) -> Entry {
        Entry::Batch(Batch::from_spool(&Bytes::from_static(text.as_bytes()), 0))
    }

    fn segment(dir: &tempfile::TempDir) -> Segment {
        Segment::create(dir.path().join("s"), 1).unwrap()
    }

    fn all(segment: &mut Segment, most: usize) -> (String, u64) {
        let (mut text, mut gaps) = (String::new(), 0);
        while segment.read < segment.len {
            for entry in segment.read(most).unwrap().0 {
                match entry {
                    Entry::Batch(batch) => text += std::str::from_utf8(batch.bytes()).unwrap(),
                    Entry::Gap(gap) => gaps += gap.lines,
                }
            }
        }
        (text, gaps)
    }

    #[test]
    fn lines_and_gaps_come_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = segment(&dir);
        let gap = Entry::Gap(Gap {
            lines: 7,
            since: UNIX_EPOCH,
        });
        segment
            .append(&[gap.clone(), batch("a\nb\n"), gap, batch("c\n")])
            .unwrap();
        assert_eq!(segment.lines, 3);
        segment.count().unwrap();
        assert_eq!(segment.lines, 3);
        assert_eq!(all(&mut segment, 100), ("a\nb\nc\n".into(), 14));
        assert_eq!(segment.lines, 0);
    }

    #[test]
    fn a_line_longer_than_a_read_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = segment(&dir);
        segment.append(&[batch("a\nlonger line\nb\n")]).unwrap();
        assert_eq!(all(&mut segment, 4).0, "a\nlonger line\nb\n");
    }

    #[test]
    fn what_is_in_the_log_already_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = segment(&dir);
        segment.append(&[batch("{a}\nx{b}\n{b}\n{c}\n")]).unwrap();
        assert!(segment.skip_behind(b"{b}\n").unwrap());
        assert_eq!(all(&mut segment, 100).0, "{c}\n");
        assert!(!segment.skip_behind(b"{d}\n").unwrap());
    }

    #[test]
    fn a_half_line_of_a_crashed_run_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "a\nhal").unwrap();
        let mut segment = Segment::open(path, 1).unwrap();
        segment.count().unwrap();
        assert_eq!(segment.lines, 1);
        assert_eq!(all(&mut segment, 100).0, "a\n");
    }
}
