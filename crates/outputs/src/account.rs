//! What an output was given and what became of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Why a line did not leave through an output.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// The output's queue (for a file: its spool) had no room.
    Full,
    /// The receiver refused it (an HTTP status that a retry does not mend).
    Rejected,
    /// It was tried for as long as the configuration allows.
    Undelivered,
    /// The receiver is gone for good: a closed pipe.
    Closed,
    /// It still waited when the deadline for stopping passed.
    Stopped,
    /// It was spooled to a local file that could not be read back.
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
/// At any quiet moment *offered = written + spooled + dropped*. Records that an
/// output writes on its own account (the start of a file, the announcement of a
/// loss) are not in there.
#[derive(Debug, Default)]
pub struct Account {
    offered: AtomicU64,
    written: AtomicU64,
    spooled: AtomicU64,
    /// Those of `spooled` that lie in a spool directory while the output is not in service.
    kept: AtomicU64,
    dropped: [AtomicU64; DropCause::ALL.len()],
    /// Bytes written, own records included.
    pub bytes: AtomicU64,
    /// Failed attempts: a system call, a request.
    pub errors: AtomicU64,
    /// Times that it was blocked for longer than `output_timeout`.
    pub timeouts: AtomicU64,
    /// Files put aside and begun anew.
    pub rotations: AtomicU64,
    /// Files opened again: on a signal, an error, or because the path was another file.
    pub reopens: AtomicU64,
    /// Bytes waiting in memory.
    pub memory_bytes: AtomicU64,
    /// Bytes waiting in the local spool directory.
    pub disk_bytes: AtomicU64,
    /// Whether the last attempt succeeded.
    pub healthy: AtomicBool,
    /// Whether the output is in a system call that may block.
    pub in_call: AtomicBool,
}

impl Account {
    /// Lines arrived and wait.
    pub fn accept(&self, lines: u64) {
        self.offered.fetch_add(lines, Relaxed);
        self.spooled.fetch_add(lines, Relaxed);
    }

    /// Lines arrived for which there is no room.
    pub fn refuse(&self, lines: u64) {
        self.offered.fetch_add(lines, Relaxed);
        self.dropped[DropCause::Full as usize].fetch_add(lines, Relaxed);
    }

    /// Waiting lines were written.
    pub fn wrote(&self, lines: u64) {
        self.written.fetch_add(lines, Relaxed);
        self.spooled.fetch_sub(lines, Relaxed);
    }

    /// Waiting lines were given up.
    pub fn give_up(&self, cause: DropCause, lines: u64) {
        self.dropped[cause as usize].fetch_add(lines, Relaxed);
        self.spooled.fetch_sub(lines, Relaxed);
    }

    /// The output has ended; what still waits is in the spool directory.
    pub fn keep(&self) {
        self.kept.store(self.spooled.load(Relaxed), Relaxed);
    }

    /// A former run, or the output before it was started again, left `found` lines in
    /// the spool directory, of which `waiting` are not written.
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

/// [`Account`], read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines handed to the output.
    pub offered: u64,
    /// Lines that left.
    pub written: u64,
    /// Lines that wait, in memory or in the spool directory.
    pub spooled: u64,
    /// Lines lost, by [`DropCause`].
    pub dropped: [u64; DropCause::ALL.len()],
}

impl Counts {
    /// Lines lost, of whatever cause.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// *offered = written + spooled + dropped*.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.offered == self.written + self.spooled + self.dropped_total()
    }
}
