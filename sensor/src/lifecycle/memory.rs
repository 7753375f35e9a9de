//! Memory that start-up needed and the rest of the life does not.

/// Gives the allocator's free pages back to the kernel.
///
/// Reading the kernel's type information and compiling rules takes some 20 MiB for half a
/// second. glibc keeps freed blocks below the last one in use for itself until it is asked.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) locks the allocator, and touches free blocks only.
    unsafe {
        libc::malloc_trim(0);
    }
}
