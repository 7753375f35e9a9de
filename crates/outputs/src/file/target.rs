//! The log file: opened, checked, written, confirmed, rotated.

use std::{
    io,
    os::unix::fs::{FileExt, MetadataExt},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use falco_rules::Priority;
use rustix::io::Errno;
use telemetry::Identity;
use tracing::{info, warn};

use super::{
    Options, closing,
    former_run::FormerRun,
    header::{self, Beginning},
    mount_guard::MountGuard,
    open::{FileId, Opened, create_directory, open},
    paths::Paths,
    window::Window,
};
use crate::{Account, Batch};

/// Most bytes that are written and not confirmed; they stay in memory.
const UNCONFIRMED_MAX: usize = 4 << 20;
/// Bounds of the bytes that are on their way to a file server at once.
const ON_THE_WAY: std::ops::RangeInclusive<usize> = (32 << 10)..=(256 << 10);
/// How often the writer checks whether the path still leads to the open file.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Pause after a rotation that failed.
pub(super) const ROTATE_AGAIN: Duration = Duration::from_secs(10);
/// Largest page of the page cache in bytes (x86-64, and arm64 with pages of 4 KiB).
const LARGEST_PAGE: u64 = 2 << 20;
/// Most pieces of one `writev`.
const PIECES: usize = 512;

/// The open file.
#[derive(Debug)]
pub(super) struct Open {
    file: std::fs::File,
    pub(super) id: FileId,
    /// Where in the file the window begins.
    pub(super) base: u64,
    /// When the file was begun.
    pub(super) created: SystemTime,
    pub(super) number: u64,
    checked: Instant,
    synced: Instant,
    /// Bytes that were written since the last sync.
    unsynced: usize,
    /// Most of them.
    unsynced_max: usize,
}

/// The log file, open or not.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) window: Window,
    pub(super) paths: Paths,
    pub(super) options: Options,
    identity: Arc<Identity>,
    pub(super) account: Arc<Account>,
    pub(super) open: Option<Open>,
    /// The file that was open last, and where in this file the window begins.
    pub(super) last: Option<(FileId, u64)>,
    /// Number of the newest file.
    pub(super) number: u64,
    /// Lines that this run has confirmed.
    lines: u64,
    started: bool,
    pub(super) mount_guard: Option<MountGuard>,
    pub(super) rotate_from: Instant,
    directory_gone: bool,
    /// The last line that was in the file when this run began.
    pub(super) found: Option<Vec<u8>>,
}

impl Target {
    pub(super) fn new(
        paths: Paths,
        options: Options,
        identity: Arc<Identity>,
        account: Arc<Account>,
    ) -> Self {
        Self {
            window: Window::default(),
            paths,
            options,
            identity,
            account,
            open: None,
            last: None,
            number: 0,
            lines: 0,
            started: false,
            mount_guard: None,
            rotate_from: Instant::now(),
            directory_gone: false,
            found: None,
        }
    }

    /// Opens the file if it is not open.
    pub(super) fn ensure_open(&mut self) -> io::Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        if let Some(mount_guard) = &mut self.mount_guard {
            mount_guard.check(self.paths.directory())?;
        } else {
            create_directory(self.paths.directory())?;
            self.mount_guard = Some(MountGuard::of(self.paths.directory())?);
        }
        let opened = match open(&self.paths.path, self.options.mode, self.options.owner) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_directory(self.paths.directory())?;
                open(&self.paths.path, self.options.mode, self.options.owner)?
            }
            other => other?,
        };
        self.begin(opened, "reopened")
    }

    /// Takes an open file into service: continues it, or writes its first line.
    pub(super) fn begin(&mut self, opened: Opened, reason: &'static str) -> io::Result<()> {
        let now = Instant::now();
        let size = opened.size;
        let unsynced_max = self.unsynced_max(&opened.file)?;
        let mut open = Open {
            file: opened.file,
            id: opened.id,
            base: size,
            created: SystemTime::now(),
            number: self.number,
            checked: now,
            synced: now,
            unsynced: 0,
            unsynced_max,
        };
        let again = self.last.is_some();
        if again && self.resume(&mut open, size)? {
            self.account.reopens.fetch_add(1, Relaxed);
            self.open = Some(open);
            return Ok(());
        }
        self.window.rewind();
        let mut previous = (size > 0)
            .then(|| FormerRun::read(&open.file, size))
            .transpose()?;
        let mut head = Vec::new();
        if let Some(previous) = &previous {
            if !previous.half.is_empty() {
                head = closing::closing(&previous.half);
            }
            open.created = previous.created.unwrap_or(open.created);
        }
        let newest = self.paths.numbers()?.last().copied().unwrap_or(0);
        let own = previous.as_ref().and_then(|previous| previous.number);
        open.number = own.unwrap_or(newest.max(self.number) + 1);
        self.number = open.number.max(newest);
        let start = !self.started;
        // A run that ended while it rotated has left its last line in the file before this one.
        if start
            && previous.as_ref().is_none_or(FormerRun::is_without_time)
            && let Some(before) = self.put_aside(newest)
        {
            previous = Some(before.followed_by(previous));
        }
        let beginning = Beginning {
            number: open.number,
            created: open.created,
            lines: self.lines,
            reason: if start { "start" } else { reason },
            previous: previous.as_ref().filter(|_| start),
            start,
        };
        head.extend_from_slice(beginning.batch(&self.identity).bytes());
        self.window
            .set_header(Batch::own(head, Priority::Informational));
        if start {
            self.found = self.last_line(previous.map(|previous| previous.last), newest);
        } else if again {
            self.account.reopens.fetch_add(1, Relaxed);
        }
        self.started = true;
        self.open = Some(open);
        Ok(())
    }

    /// Whether the file is on a network file system.
    fn is_remote(&self) -> bool {
        self.mount_guard.as_ref().is_some_and(MountGuard::is_remote)
    }

    /// How many bytes may be written without a sync.
    ///
    /// A file server can get two requests of a client in another order than they were sent, for
    /// example after it was away. Whoever reads the file on the server then sees zeros in place of
    /// the lines of the first one. So only what fits into one request is on its way: half of the
    /// client's largest one (`st_blksize`), since the client may complete pages.
    fn unsynced_max(&self, file: &std::fs::File) -> io::Result<usize> {
        if !self.is_remote() {
            return Ok(UNCONFIRMED_MAX);
        }
        let request = usize::try_from(file.metadata()?.blksize()).unwrap_or(0);
        Ok((request / 2).clamp(*ON_THE_WAY.start(), *ON_THE_WAY.end()))
    }

    /// The last line of the file; if the file has none, that of the newest rotated file.
    fn last_line(&self, last: Option<Vec<u8>>, newest: u64) -> Option<Vec<u8>> {
        last.filter(|last| !last.is_empty())
            .or_else(|| Some(self.put_aside(newest)?.last))
    }

    /// What a rotated file shows about the run that wrote it.
    fn put_aside(&self, number: u64) -> Option<FormerRun> {
        let file = std::fs::File::open(self.paths.aside(number)).ok()?;
        let size = file.metadata().ok()?.len();
        FormerRun::read(&file, size).ok()
    }

    /// Finds the part of the window that is already in the file. False if the file is another one.
    fn resume(&mut self, open: &mut Open, mut size: u64) -> io::Result<bool> {
        let Some((id, base)) = self.last else {
            return Ok(false);
        };
        if self.is_remote() {
            // A request can still be on its way though an earlier one has failed: what it brings
            // must not come between the look and the next line.
            rustix::fs::fdatasync(&open.file)?;
            size = open.file.metadata()?.len();
        }
        if size < base {
            return Ok(false);
        }
        // After a failed sync the page cache can differ from the disk. A page of which only a part
        // is named stays in the cache, so the range begins where the page of `base` begins.
        let from = base - base % LARGEST_PAGE;
        let _ = rustix::fs::fadvise(&open.file, from, None, rustix::fs::Advice::DontNeed);
        let mut same = 0;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let n = open.file.read_at(&mut buffer, base + same as u64)?;
            let common = self.window.common(same, &buffer[..n]);
            same += common;
            if n == 0 || common < n {
                break;
            }
        }
        if same == 0 && open.id != id {
            return Ok(false);
        }
        self.window.set_written(same);
        open.base = base;
        if base + (same as u64) < size {
            // Other bytes follow: a hole after a crash of the file system, or lines of another
            // writer. Whole lines count; a cut line is written again.
            let (lines, _) = self.window.confirm();
            self.confirmed(lines);
            self.window.rewind();
            let mut last = [0];
            open.file.read_exact_at(&mut last, size - 1)?;
            if last != *b"\n" {
                self.window
                    .set_header(Batch::own(b"\n".to_vec(), Priority::Informational));
            }
            open.base = size;
        }
        Ok(true)
    }

    /// Writes the whole window, and confirms it when the time has come.
    pub(super) fn write(&mut self) -> io::Result<()> {
        self.ensure_open()?;
        self.check()?;
        self.rotate_if_due()?;
        while self.window.unwritten() > 0 {
            let Some(open) = &mut self.open else {
                return self.ensure_open();
            };
            let left = open.unsynced_max - open.unsynced;
            let slices = self.window.slices(PIECES, left);
            match rustix::io::writev(&open.file, &slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    drop(slices);
                    open.unsynced += n;
                    self.window.advance(n);
                    self.account.bytes.fetch_add(n as u64, Relaxed);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if open.unsynced >= open.unsynced_max {
                self.sync()?;
                self.rotate_if_due()?;
            }
        }
        self.sync_if_due()
    }

    /// When the file needs attention without new lines; none if it needs none.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let open = self.open.as_ref()?;
        let sync = self.options.sync.unwrap_or(CHECK_EVERY);
        (self.window.written() > 0).then(|| open.synced + sync)
    }

    fn sync_if_due(&mut self) -> io::Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        match self.options.sync {
            None => self.sync(),
            Some(every) if open.synced.elapsed() >= every && self.window.written() > 0 => {
                self.sync()
            }
            Some(_) => Ok(()),
        }
    }

    /// Syncs the file, so that its lines are on stable storage.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if self.options.sync.is_some() {
            rustix::fs::fdatasync(&open.file)?;
        }
        open.synced = Instant::now();
        open.unsynced = 0;
        if open.file.metadata()?.nlink() == 0 {
            // Somebody deleted the file: the lines that are not confirmed go into the next one.
            self.abandon_file();
            return Ok(());
        }
        let (lines, bytes) = self.window.confirm();
        open.base += bytes as u64;
        self.confirmed(lines);
        Ok(())
    }

    fn confirmed(&mut self, lines: u64) {
        self.lines += lines;
        self.account.wrote(lines);
    }

    /// The open file is lost, with the lines that are not confirmed.
    fn abandon_file(&mut self) {
        self.window.rewind();
        self.open = None;
        // There is no file to continue, but the next one is not the first file either.
        self.last = None;
    }

    /// Closes the file; the next attempt opens it again and continues.
    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.last = Some((open.id, open.base));
        }
    }

    /// On request: closes the file, so that the next attempt opens whatever is at the path.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.mount_guard = None;
        if self.window.at_line_start() {
            self.sync()?;
        }
        self.close();
        Ok(())
    }

    /// Checks whether the path still leads to the open file; if not, closes the file.
    fn check(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if open.checked.elapsed() < CHECK_EVERY || !self.window.at_line_start() {
            return Ok(());
        }
        open.checked = Instant::now();
        match std::fs::symlink_metadata(&self.paths.path) {
            Ok(meta) if FileId::of(&meta) == open.id => {
                self.directory_gone = false;
                if meta.len() < open.base {
                    // Another program truncated the file (logrotate's `copytruncate`).
                    self.sync()?;
                    self.abandon_file();
                    self.ensure_open()?;
                }
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let moved = open.file.metadata()?.nlink() > 0;
                if moved && !self.paths.directory().exists() {
                    // The directory was renamed: the file is still valid.
                    if !std::mem::replace(&mut self.directory_gone, true) {
                        warn!(
                            "{}: the directory is gone; going on with the file that is open",
                            self.paths.path.display()
                        );
                    }
                    return Ok(());
                }
            }
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        self.sync()?;
        self.close();
        self.last = None;
        self.account.reopens.fetch_add(1, Relaxed);
        info!(
            "{}: was renamed or deleted, a new file is begun",
            self.paths.path.display()
        );
        self.ensure_open()
    }

    /// Appends the record of an orderly stop.
    pub(super) fn write_stop(&mut self) -> io::Result<()> {
        let lines = self.lines + self.window.lines();
        let dropped = self.account.counts().dropped_total();
        self.window
            .push(header::stop(&self.identity, self.number, lines, dropped));
        self.rotate_from = Instant::now() + ROTATE_AGAIN;
        self.write()?;
        self.sync()
    }

    /// The path, for messages.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.paths.path
    }
}
