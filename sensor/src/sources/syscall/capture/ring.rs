//! Taking records out of the ring buffer.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use aya::maps::{MapData, RingBuf};

/// What a pass over the ring buffer found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records taken.
    pub records: usize,
    /// Whether the pass ended because it had taken enough, not because there was no more.
    pub more: bool,
}

/// The consuming end of the ring buffer.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    pub(super) fn new(map: RingBuf<MapData>) -> Self {
        Self(map)
    }

    /// Hands each record to `each`, at most `most` of them.
    pub fn drain(&mut self, most: usize, mut each: impl FnMut(&[u8])) -> Drained {
        for records in 0..most {
            match self.0.next() {
                Some(record) => each(&record),
                None => {
                    return Drained {
                        records,
                        more: false,
                    };
                }
            }
        }
        Drained {
            records: most,
            more: true,
        }
    }
}

impl AsFd for Ring {
    /// Readable when there are records.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How long to leave the ring buffer alone after a pass, so that a busy node's
/// records are taken in batches and not one wake-up each: longer the more came,
/// not at all when nothing came (then the kernel wakes the thread).
#[must_use]
pub fn rest(last: Drained) -> Option<Duration> {
    match last {
        Drained { more: true, .. } => Some(Duration::ZERO),
        Drained { records: 0, .. } => None,
        Drained { records: 1..8, .. } => Some(Duration::from_millis(2)),
        Drained { .. } => Some(Duration::from_millis(10)),
    }
}
