//! Gives memory that the sensor needed for a moment back to the kernel.

/// Makes the allocator give each block of 128 KiB or more a mapping of its own, so that a freed
/// block leaves no hole behind. Call this before the sensor allocates anything large.
///
/// By default the allocator does so only until a program frees the first large block, and then
/// takes blocks up to that size from the heap. There the lines that waited for a stalled disk would
/// lie between long-lived entries of caches, and would leave holes that the kernel cannot take
/// back.
pub(crate) fn keep_large_apart() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) locks the allocator; the value is the allocator's own default.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
    }
}

/// Gives the allocator's free pages back to the kernel.
///
/// Reading the kernel's type information and compiling rules takes some 20 MiB for half a second.
/// glibc keeps free memory below the last block in use until a program calls this function.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) locks the allocator, and touches free blocks only.
    unsafe {
        libc::malloc_trim(0);
    }
}
