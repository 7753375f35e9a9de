//! Reading kernel and user memory.

use core::mem::MaybeUninit;

use aya_ebpf::{
    Global,
    helpers::generated::{bpf_get_current_task, bpf_probe_read_kernel},
};
use sensor_ebpf::Offsets;

/// Set by the loader from the running kernel's BTF.
#[unsafe(no_mangle)]
pub static OFFSETS: Global<Offsets> = Global::new(Offsets::ZERO);

/// Bytes of argv for which the scratch memory has room; set by the loader.
#[unsafe(no_mangle)]
pub static ARGV_CAPACITY: Global<u32> = Global::new(sensor_ebpf::ARGV_LIMIT_DEFAULT);

/// One offset. Read by itself: loading the whole table would copy it to the
/// stack of 512 bytes. `.rodata` is frozen, so the verifier sees a constant.
macro_rules! off {
    ($field:ident) => {
        // SAFETY: OFFSETS is a static of that type, and the read is in bounds.
        u64::from(unsafe {
            core::ptr::read_volatile(
                &raw const (*(&raw const $crate::bpf::kernel::OFFSETS)
                    .cast::<sensor_ebpf::Offsets>())
                .$field,
            )
        })
    };
}
pub(crate) use off;

/// Reads kernel memory; all zero where it cannot be read.
///
/// The helper zeroes the destination when it fails, so its result needs no
/// check; a check would double the verifier's paths at every read.
#[inline(always)]
pub fn kread<T: Copy>(addr: u64) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes size_of::<T>() bytes, or zeroes as many, and
    // every T used here (integers, byte arrays) is valid with any bytes.
    unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            addr as *const _,
        );
        value.assume_init()
    }
}

/// Address of the current thread's `task_struct`.
#[inline(always)]
pub fn current_task() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_current_task() }
}
