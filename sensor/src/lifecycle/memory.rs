//! Memory that was needed for a moment goes back to the kernel.

/// Has the allocator make each block from 128 KiB on a mapping of its own, so that it leaves
/// nothing behind when it is freed. To be called before anything large is made.
///
/// It does so by itself until the first of them is freed, and then takes blocks up to that size from
/// the heap. There what waited for a stalled disk would lie between processes that are remembered,
/// and tear holes that are pages no more.
pub(crate) fn keep_large_apart() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) locks the allocator; the value is the one it begins with.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
    }
}

/// Gives the allocator's free pages back to the kernel.
///
/// Reading the kernel's type information and compiling rules takes some 20 MiB for half a
/// second. glibc keeps what is freed below the last block in use for itself until it is asked.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) locks the allocator, and touches free blocks only.
    unsafe {
        libc::malloc_trim(0);
    }
}
