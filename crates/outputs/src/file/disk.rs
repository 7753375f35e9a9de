//! The spool in a local directory, for lines that memory cannot hold.
//!
//! A thread of its own moves the oldest lines in memory to disk, because the thread that writes the
//! log file can be stuck in a system call. The lines stay on disk until they are in the log file,
//! so a crash of the sensor loses none. The next run looks for the last line of the log in the
//! spool, so it writes no line twice.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use tracing::{error, info};

use super::{paths::Paths, segment::Segment};
use crate::{Batch, DropCause, Entry, Queue};

/// Size in bytes from which on a segment gets a successor.
const SEGMENT: u64 = 8 << 20;
/// Most bytes that move to disk at once.
const MOVE: u64 = 1 << 20;
/// Number of the first segment; lower numbers are for lines that must come before it.
const FIRST: u64 = 1 << 40;
/// Pause when the directory is full or cannot be written.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct State {
    segments: VecDeque<Segment>,
    /// Segments that were read, to be removed when their lines are in the log file.
    done: Vec<PathBuf>,
    bytes: u64,
    failing: bool,
}

/// The spool directory of one log file.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    prefix: Vec<u8>,
    limit: u64,
    state: Mutex<State>,
}

impl Disk {
    /// Finds the segments of a former run.
    pub(super) fn open(directory: &Path, paths: &Paths, limit: u64) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let mut prefix = paths
            .path
            .file_name()
            .unwrap_or_default()
            .as_bytes()
            .to_vec();
        prefix.push(b'.');
        let disk = Self {
            directory: directory.to_owned(),
            prefix,
            limit,
            state: Mutex::default(),
        };
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if let Some(number) = disk.number(&entry.file_name()) {
                segments.push(Segment::open(entry.path(), number)?);
            }
        }
        segments.sort_by_key(|segment| segment.number);
        let mut state = disk.lock();
        state.bytes = segments.iter().map(|segment| segment.len).sum();
        state.segments = segments.into();
        drop(state);
        Ok(disk)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, number: u64) -> PathBuf {
        let mut name = self.prefix.clone();
        name.extend(format!("{number:020}.spool").bytes());
        self.directory.join(OsStr::from_bytes(&name))
    }

    fn number(&self, name: &OsStr) -> Option<u64> {
        let rest = name.as_bytes().strip_prefix(self.prefix.as_slice())?;
        std::str::from_utf8(rest.strip_suffix(b".spool")?)
            .ok()?
            .parse()
            .ok()
    }

    /// Adopts the lines of a former run that are not in the log file yet. The spooler can already
    /// have put lines of this run behind them.
    pub(super) fn adopt(&self, queue: &Queue, last: Option<&[u8]>) {
        let mut state = self.lock();
        let former = state.segments.partition_point(|segment| segment.former);
        for segment in state.segments.range_mut(..former) {
            if let Err(error) = segment.count() {
                error!("{}: cannot be read: {error}", segment.path.display());
            }
        }
        let found = Unread::of(state.segments.range(..former));
        let written = last.filter(|last| !last.is_empty()).and_then(|last| {
            let mut newest_first = (0..former).rev();
            newest_first.find(|&i| matches!(state.segments[i].skip_behind(last), Ok(true)))
        });
        let done = written.map_or(0, |i| i + usize::from(state.segments[i].is_read()));
        for segment in state.segments.drain(..done) {
            Segment::remove(&segment.path);
        }
        let left = Unread::of(state.segments.range(..former - done));
        state.bytes -= found.bytes - left.bytes;
        queue.account().disk_bytes.store(state.bytes, Relaxed);
        drop(state);
        queue.account().adopt(found.lines, left.lines);
        queue.found_on_disk(left.bytes);
        if left.lines > 0 {
            info!(
                "{} lines of a former run are in the spool and will be written first",
                left.lines
            );
        }
    }

    /// The thread of the spooler: moves lines while more than `threshold` bytes of them wait in
    /// memory.
    pub(super) fn run(&self, queue: &Queue, threshold: u64) {
        while let Some(entries) = queue.wait_to_move(threshold, MOVE) {
            match self.append(&entries) {
                Ok(bytes) => {
                    self.lock().failing = false;
                    queue.moved(bytes, Vec::new());
                }
                Err(error) => {
                    queue.moved(0, entries);
                    if !std::mem::replace(&mut self.lock().failing, true) {
                        queue.account().errors.fetch_add(1, Relaxed);
                        error!("spool {}: {error}", self.directory.display());
                    }
                    if queue.sleep(std::time::Instant::now() + PAUSE) {
                        return;
                    }
                }
            }
            let bytes = self.lock().bytes;
            queue.account().disk_bytes.store(bytes, Relaxed);
        }
    }

    fn append(&self, entries: &[Entry]) -> io::Result<u64> {
        let mut state = self.lock();
        if state.bytes + MOVE > self.limit {
            return Err(io::Error::other(format!(
                "full: {} of {} bytes",
                state.bytes, self.limit
            )));
        }
        let last = state.segments.back();
        if last.is_none_or(|last| last.former || last.len >= SEGMENT) {
            let number = last.map_or_else(|| self.free_number(&state), |last| last.number + 1);
            let segment = Segment::create(self.path(number), number)?;
            state.segments.push_back(segment);
        }
        let Some(segment) = state.segments.back_mut() else {
            return Ok(0);
        };
        let bytes = segment.append(entries)?;
        state.bytes += bytes;
        Ok(bytes)
    }

    /// A number above those of all segments in the directory.
    fn free_number(&self, state: &State) -> u64 {
        state
            .done
            .iter()
            .filter_map(|path| self.number(path.file_name()?))
            .max()
            .map_or(FIRST, |number| number + 1)
    }

    /// Reads the oldest lines, about `most` bytes.
    pub(super) fn read(&self, queue: &Queue, most: usize) -> Vec<Entry> {
        let mut state = self.lock();
        let Some(segment) = state.segments.front_mut() else {
            return Vec::new();
        };
        let (entries, bytes) = segment.read(most).unwrap_or_else(|error| {
            error!("spool {}: {error}", segment.path.display());
            queue
                .account()
                .give_up(DropCause::SpoolDamaged, segment.lines);
            let rest = segment.len - segment.read;
            segment.read = segment.len;
            (Vec::new(), rest)
        });
        if segment.is_read() {
            let path = segment.path.clone();
            state.segments.pop_front();
            state.done.push(path);
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        queue.account().disk_bytes.store(state.bytes, Relaxed);
        drop(state);
        queue.taken_from_disk(bytes);
        entries
    }

    /// All lines that were read are in the log file: removes their segments. A crash of the sensor
    /// loses none of them any more, and after a failed sync they are in memory.
    pub(super) fn release(&self) {
        let done = std::mem::take(&mut self.lock().done);
        for path in &done {
            Segment::remove(path);
        }
    }

    /// Whether a segment is still in the directory.
    pub(super) fn holds(&self, number: u64) -> bool {
        let state = self.lock();
        let path = self.path(number);
        state
            .segments
            .iter()
            .any(|segment| segment.number == number)
            || state.done.contains(&path)
    }

    /// At the end of a run: keeps lines that could not be written for the next run. `older` were
    /// taken before the lines on disk, `newer` after them. Returns the entries that could not be
    /// kept.
    pub(super) fn keep(&self, older: Vec<Batch>, newer: Vec<Batch>) -> Vec<Batch> {
        let entries = |batches: &[Batch]| -> Vec<Entry> {
            batches.iter().cloned().map(Entry::Batch).collect()
        };
        let mut lost = Vec::new();
        let first = self.lock().segments.front().map_or(FIRST, |s| s.number);
        if !older.is_empty() {
            let number = first.saturating_sub(1);
            let kept = Segment::create(self.path(number), number)
                .and_then(|mut segment| segment.append(&entries(&older)));
            if let Err(error) = kept {
                error!("spool {}: {error}", self.directory.display());
                lost.extend(older);
            }
        }
        if !newer.is_empty()
            && let Err(error) = self.append(&entries(&newer))
        {
            error!("spool {}: {error}", self.directory.display());
            lost.extend(newer);
        }
        lost
    }
}

/// The lines of some segments that nobody has read yet.
#[derive(Default)]
struct Unread {
    lines: u64,
    bytes: u64,
}

impl Unread {
    fn of<'a>(segments: impl Iterator<Item = &'a Segment>) -> Self {
        segments.fold(Self::default(), |sum, segment| Self {
            lines: sum.lines + segment.lines,
            bytes: sum.bytes + segment.len - segment.read,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::*;
    use crate::{Account, Limit};

    fn disk(dir: &tempfile::TempDir) -> Disk {
        let paths = Paths::new("log".into()).unwrap();
        Disk::open(dir.path(), &paths, 1 << 30).unwrap()
    }

    fn queue(account: &Arc<Account>) -> Queue {
        let limit = Limit { lines: 0, bytes: 0 };
        Queue::new(limit, Arc::clone(account))
    }

    /// Moves lines of a queue to disk, as the spooler does.
    fn spool(disk: &Disk, queue: &Queue, text: &[&str]) {
        queue.push(Batch::of(text));
        let entries = queue.wait_to_move(0, u64::MAX).unwrap();
        queue.moved(disk.append(&entries).unwrap(), Vec::new());
    }

    /// All lines on disk, in order.
    fn read(disk: &Disk, queue: &Queue) -> String {
        let mut text = String::new();
        while queue.wait(1, Some(Instant::now()), 1).on_disk {
            for entry in disk.read(queue, 1 << 20) {
                let Entry::Batch(batch) = entry else { continue };
                text += std::str::from_utf8(batch.bytes()).unwrap();
                queue.account().wrote(batch.count());
            }
        }
        text
    }

    #[test]
    fn what_a_former_run_left_comes_first_though_lines_were_spooled_before_the_log_was_open() {
        let dir = tempfile::tempdir().unwrap();
        let former = queue(&Arc::default());
        spool(&disk(&dir), &former, &["a\n", "b\n", "c\n"]);
        let disk = disk(&dir);
        let queue = queue(&Arc::default());
        spool(&disk, &queue, &["d\n", "e\n"]);
        disk.adopt(&queue, Some(b"b\n"));
        let counts = queue.account().counts();
        assert_eq!((counts.offered, counts.spooled), (3, 3));
        assert_eq!(read(&disk, &queue), "c\nd\ne\n");
        assert!(queue.is_drained());
        disk.release();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn lines_are_not_put_behind_the_half_line_of_a_killed_run() {
        let dir = tempfile::tempdir().unwrap();
        let left = disk(&dir).path(FIRST);
        std::fs::write(left, "a\nhal").unwrap();
        let disk = disk(&dir);
        let queue = queue(&Arc::default());
        spool(&disk, &queue, &["b\n"]);
        disk.adopt(&queue, None);
        assert_eq!(queue.account().counts().spooled, 2);
        assert_eq!(read(&disk, &queue), "a\nb\n");
        assert!(queue.is_drained());
    }

    #[test]
    fn lines_that_move_to_disk_go_before_newer_ones_while_older_ones_are_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(&dir);
        let queue = queue(&Arc::default());
        queue.push(Batch::of(&["a\n"]));
        let moving = queue.wait_to_move(0, u64::MAX).unwrap();
        queue.push(Batch::of(&["b\n"]));
        disk.adopt(&queue, None);
        let found = queue.wait(1, Some(Instant::now()), u64::MAX);
        assert!(found.entries.is_empty());
        queue.moved(0, moving);
        assert_eq!(queue.wait(1, None, u64::MAX).entries.len(), 2);
    }

    #[test]
    fn lines_that_are_kept_for_the_same_account_are_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        let account = Arc::<Account>::default();
        let first = queue(&account);
        first.push(Batch::of(&["a\n", "b\n", "c\n"]));
        let Some(Entry::Batch(kept)) = first.drain().pop() else {
            panic!("no lines");
        };
        assert!(disk(&dir).keep(vec![kept], Vec::new()).is_empty());
        account.keep();
        assert_eq!(account.counts().spooled, 3);
        // The first of these lines is in the log file already.
        let disk = disk(&dir);
        let second = queue(&account);
        disk.adopt(&second, Some(b"a\n"));
        let counts = account.counts();
        assert_eq!((counts.offered, counts.written, counts.spooled), (3, 1, 2));
        assert_eq!(read(&disk, &second), "b\nc\n");
        assert_eq!(account.counts().spooled, 0);
        assert!(account.counts().balanced());
    }
}
