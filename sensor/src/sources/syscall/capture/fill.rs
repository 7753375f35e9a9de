//! How full the ring buffer is; any thread may ask.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

use super::Ring;

/// The ring buffer's size and how much of it is in use.
#[derive(Debug)]
pub struct RingFill {
    size: u64,
    /// The positions up to which user space has read, and up to which the kernel has written; none
    /// if the kernel does not let the sensor map them.
    positions: Option<[Position; 2]>,
}

impl RingFill {
    pub(super) fn new(ring: &Ring, size: u32) -> Self {
        // The kernel's layout (kernel/bpf/ringbuf.c): a page with the consumer's
        // position, then one with the producer's, then the data.
        let fd = ring.as_fd();
        let consumer = Position::map(fd, 0);
        let producer = Position::map(fd, page_size() as u64);
        Self {
            size: size.into(),
            positions: consumer
                .zip(producer)
                .map(|(read, written)| [read, written]),
        }
    }

    /// The size of the ring buffer, bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that the kernel has written and user space has not read yet.
    #[must_use]
    pub fn unread(&self) -> Option<u64> {
        let [read, written] = self.positions.as_ref()?;
        // Read in this order, records that arrive meanwhile make the result larger, not negative.
        let read = read.get();
        Some(written.get().saturating_sub(read).min(self.size))
    }
}

/// A page of the map that begins with a position.
#[derive(Debug)]
struct Position(NonNull<AtomicU64>);

// SAFETY: the page stays mapped as long as this value lives, and is read by atomic loads only.
unsafe impl Send for Position {}
// SAFETY: as above.
unsafe impl Sync for Position {}

impl Position {
    fn map(fd: BorrowedFd<'_>, offset: u64) -> Option<Self> {
        // SAFETY: a new mapping, read only, which aliases nothing of this process's memory.
        let page = unsafe {
            mmap(
                ptr::null_mut(),
                page_size(),
                ProtFlags::READ,
                MapFlags::SHARED,
                fd,
                offset,
            )
        };
        NonNull::new(page.ok()?.cast()).map(Self)
    }

    fn get(&self) -> u64 {
        // SAFETY: the page is mapped, and page-aligned; the kernel writes whole words.
        unsafe { self.0.as_ref() }.load(Relaxed)
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        // SAFETY: this value owns the mapping, and no other value reads the mapping any more.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), page_size()) };
    }
}
