//! The account of an output: how many lines it was offered, and what happened to them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Why an output dropped a line.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// The output's queue (for a file: its spool) had no room.
    Full,
    /// The receiver refused the line (an HTTP status after which a retry cannot succeed).
    Rejected,
    /// The output retried for as long as the configuration allows.
    Undelivered,
    /// The receiver is gone for good: a closed pipe.
    Closed,
    /// The line still waited at the deadline for stopping.
    Stopped,
    /// The line was spooled to a local file that could not be read back.
    SpoolDamaged,
}

impl DropCause {
    /// All causes, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::Rejected,
        Self::Undelivered,
        Self::Closed,
        Self::Stopped,
        Self::SpoolDamaged,
    ];

    /// Name in metrics and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Rejected => "rejected",
            Self::Undelivered => "undelivered",
            Self::Closed => "closed",
            Self::Stopped => "stopped",
            Self::SpoolDamaged => "spool_damaged",
        }
    }
}

/// Counts of one output, in lines.
///
/// At rest *offered = written + spooled + dropped*. Records that an output writes by itself (the
/// first line of a file, the announcement of a loss) do not count.
#[derive(Debug, Default)]
pub struct Account {
    offered: AtomicU64,
    written: AtomicU64,
    spooled: AtomicU64,
    /// The part of `spooled` that is in a spool directory while the output is not in service.
    kept: AtomicU64,
    dropped: [AtomicU64; DropCause::ALL.len()],
    /// Bytes written, including the output's own records.
    pub bytes: AtomicU64,
    /// Failed system calls and failed requests.
    pub errors: AtomicU64,
    /// How often a system call blocked for longer than `output_timeout`.
    pub timeouts: AtomicU64,
    /// Rotations: files renamed, with a new one begun.
    pub rotations: AtomicU64,
    /// Files opened again: after a signal or an error, or because the path led to another file.
    pub reopens: AtomicU64,
    /// Bytes waiting in memory.
    pub memory_bytes: AtomicU64,
    /// Bytes waiting in the local spool directory.
    pub disk_bytes: AtomicU64,
    /// Whether the last attempt succeeded.
    pub healthy: AtomicBool,
    /// Whether the output is in a system call that can block.
    pub in_call: AtomicBool,
}

impl Account {
    /// Lines arrived, and the queue keeps them.
    pub fn accept(&self, lines: u64) {
        self.offered.fetch_add(lines, Relaxed);
        self.spooled.fetch_add(lines, Relaxed);
    }

    /// Lines arrived, and the queue has no room for them.
    pub fn refuse(&self, lines: u64) {
        self.offered.fetch_add(lines, Relaxed);
        self.dropped[DropCause::Full as usize].fetch_add(lines, Relaxed);
    }

    /// The output has written lines that waited.
    pub fn wrote(&self, lines: u64) {
        self.written.fetch_add(lines, Relaxed);
        self.spooled.fetch_sub(lines, Relaxed);
    }

    /// The output has dropped lines that waited.
    pub fn give_up(&self, cause: DropCause, lines: u64) {
        self.dropped[cause as usize].fetch_add(lines, Relaxed);
        self.spooled.fetch_sub(lines, Relaxed);
    }

    /// The output has ended; the lines that still wait are in the spool directory.
    pub fn keep(&self) {
        self.kept.store(self.spooled.load(Relaxed), Relaxed);
    }

    /// A former run, or the same output before its restart, left `found` lines in the spool
    /// directory; `waiting` of them are not written.
    pub fn adopt(&self, found: u64, waiting: u64) {
        let counted = self.kept.load(Relaxed).min(found);
        self.kept.fetch_sub(counted, Relaxed);
        self.wrote(counted.saturating_sub(waiting));
        self.accept(waiting.saturating_sub(counted));
    }

    /// The counts as they are now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            offered: self.offered.load(Relaxed),
            written: self.written.load(Relaxed),
            spooled: self.spooled.load(Relaxed),
            dropped: std::array::from_fn(|i| self.dropped[i].load(Relaxed)),
        }
    }
}

/// The counts of an [`Account`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines handed to the output.
    pub offered: u64,
    /// Lines written.
    pub written: u64,
    /// Lines that wait, in memory or in the spool directory.
    pub spooled: u64,
    /// Lines dropped, by [`DropCause`].
    pub dropped: [u64; DropCause::ALL.len()],
}

impl Counts {
    /// Lines dropped, summed over all causes.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Whether *offered = written + spooled + dropped* holds.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.offered == self.written + self.spooled + self.dropped_total()
    }
}
