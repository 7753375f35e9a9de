//! Per-CPU counters of the kernel side.

use crate::{BACKED_UP, BackedUp, KINDS, Kind};

/// Number of counters of a kind.
pub const COUNTERS: usize = 14;

/// The counters of one CPU: those of each kind, how often each program's backup did its work,
/// and room up to a power of two: whole cache lines, and indices are bounded by a mask.
pub type CpuCounts = [u64; (KINDS * COUNTERS + BACKED_UP).next_power_of_two()];

/// What the kernel side counts for each [`Kind`].
///
/// At rest `Seen = FilteredHost + FilteredTree + FilteredOther + FilteredNode + Written + RingFull +
/// NoScratch + Throttled`; the other counters describe written records, but for `Unwatched`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// The program ran for the event.
    Seen = 0,
    /// The record entered the ring buffer.
    Written = 1,
    /// Filtered: the event happened outside of containers.
    FilteredHost = 2,
    /// Filtered: an event of the sensor itself, or of a process outside the observed process tree.
    FilteredTree = 3,
    /// Filtered by address family, loopback or result.
    FilteredOther = 4,
    /// Lost: the ring buffer had no room.
    RingFull = 5,
    /// Lost: no scratch memory for this CPU.
    NoScratch = 6,
    /// Written with argv cut at the limit.
    Truncated = 7,
    /// Written without a part that the kernel could not read.
    Unreadable = 8,
    /// Written with a path that did not reach its root.
    PathIncomplete = 9,
    /// Lost: its cgroup had used up its budget.
    Throttled = 10,
    /// Written with the environment cut.
    EnvironmentCut = 11,
    /// Filtered: the event happened on another node that shares this kernel.
    FilteredNode = 12,
    /// Filtered, and observers lack the event: what only observers want had used up its share of the
    /// ring buffer or its budget. The event is in `FilteredOther` too.
    Unwatched = 13,
}

impl Counter {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; COUNTERS] = [
        Self::Seen,
        Self::Written,
        Self::FilteredHost,
        Self::FilteredTree,
        Self::FilteredOther,
        Self::RingFull,
        Self::NoScratch,
        Self::Truncated,
        Self::Unreadable,
        Self::PathIncomplete,
        Self::Throttled,
        Self::EnvironmentCut,
        Self::FilteredNode,
        Self::Unwatched,
    ];

    /// Index in [`CpuCounts`].
    #[must_use]
    pub const fn index(self, kind: Kind) -> usize {
        kind as usize * COUNTERS + self as usize
    }
}

impl BackedUp {
    /// Index in [`CpuCounts`] of the number of runs in which the backup did the work.
    #[must_use]
    pub const fn index(self) -> usize {
        KINDS * COUNTERS + self as usize
    }
}
