//! Takes records out of the ring buffer.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use aya::maps::{MapData, RingBuf};

/// The result of one pass over the ring buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records taken.
    pub records: usize,
    /// Whether the pass ended because it had taken `most` records, and more may be there.
    pub more: bool,
}

/// The consuming end of the ring buffer.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    pub(super) fn new(map: RingBuf<MapData>) -> Self {
        Self(map)
    }

    /// Passes each record to `each`, at most `most` of them.
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
    /// A descriptor that is readable when the ring buffer has records.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How long the capture thread should wait after a pass, so that it takes the records of a busy
/// node in batches and not with one wake-up for each. The wait is the longer the more records came;
/// none when no record came, since the kernel then wakes the thread.
#[must_use]
pub fn rest(last: Drained) -> Option<Duration> {
    match last {
        Drained { more: true, .. } => Some(Duration::ZERO),
        Drained { records: 0, .. } => None,
        Drained { records: 1..8, .. } => Some(Duration::from_millis(2)),
        Drained { .. } => Some(Duration::from_millis(10)),
    }
}
