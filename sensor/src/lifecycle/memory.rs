//! Memory that was needed for a moment goes back to the kernel.

/// Gives the allocator's free pages back to the kernel.
///
/// Reading the kernel's type information and compiling rules takes some 20 MiB for half a
/// second, and what waits for a stalled disk takes as much as it is. glibc keeps what is freed
/// below the last block in use for itself until it is asked; and behind what is freed there is
/// always a block in use, since processes that are remembered meanwhile stand there.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) locks the allocator, and touches free blocks only.
    unsafe {
        libc::malloc_trim(0);
    }
}
