//! The memory of an array map, read without system calls.
//!
//! A system call on a map raises `bpf_prog_active` of its CPU (`bpf_disable_instrumentation` in
//! `kernel/bpf/syscall.c`). While that counter is raised, the kernel skips programs on perf
//! tracepoints of the CPU (`trace_call_bpf` in `kernel/trace/bpf_trace.c`). If a preemptible kernel
//! preempts the caller at that moment, the counter stays raised for a whole time slice, and the
//! sensor would miss events because it reads its counters. So the sensor maps the memory that it
//! reads often (`BPF_F_MMAPABLE`, Linux 5.5).

use std::{
    os::fd::AsFd as _,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use aya::maps::Map;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::CaptureError;

/// A read-only mapping.
#[derive(Debug)]
pub(super) struct Mapped {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to no thread, and all reads are atomic loads.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps the first `len` bytes of an array; the mapping keeps the map alive.
    pub(super) fn new(map: &Map, name: &'static str, len: usize) -> Result<Self, CaptureError> {
        let Map::Array(data) = map else {
            return Err(CaptureError::Missing {
                what: "array",
                name,
            });
        };
        let refused = |source: rustix::io::Errno| CaptureError::Memory {
            map: name,
            source: source.into(),
        };
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let address = unsafe {
            mmap(
                null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::SHARED,
                data.fd().as_fd(),
                0,
            )
        }
        .map_err(refused)?;
        let address = NonNull::new(address.cast()).ok_or(refused(rustix::io::Errno::NOMEM))?;
        Ok(Self { address, len })
    }

    /// The 64-bit number at an index; 0 beyond the end.
    pub(super) fn long(&self, index: usize) -> u64 {
        let at = index * size_of::<u64>();
        if at + size_of::<u64>() > self.len {
            return 0;
        }
        // SAFETY: the address is in bounds and aligned, as mappings begin at a page; the kernel
        // writes there by aligned stores only.
        unsafe { AtomicU64::from_ptr(self.address.as_ptr().add(at).cast()) }.load(Relaxed)
    }

    /// The 32-bit number at an index; 0 beyond the end.
    pub(super) fn word(&self, index: usize) -> u32 {
        let at = index * size_of::<u32>();
        if at + size_of::<u32>() > self.len {
            return 0;
        }
        // SAFETY: as in `long`.
        unsafe { AtomicU32::from_ptr(self.address.as_ptr().add(at).cast()) }.load(Relaxed)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: `new` made the mapping with that length, and nothing refers to it any more.
        let _ = unsafe { munmap(self.address.as_ptr().cast(), self.len) };
    }
}
