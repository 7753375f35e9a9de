//! Reading kernel and user memory.

use core::mem::{MaybeUninit, transmute};

use aya_ebpf::{
    Global,
    helpers::generated::{bpf_get_current_task, bpf_get_current_task_btf, bpf_probe_read_kernel},
};
use sensor_ebpf::{CastTypes, Offsets, RDONLY_CAST};

/// The offsets of the running kernel. The loader sets them from the kernel's BTF.
#[unsafe(no_mangle)]
pub static OFFSETS: Global<Offsets> = Global::new(Offsets::ZERO);

/// Bytes of argv for which the scratch memory has room; set by the loader.
#[unsafe(no_mangle)]
pub static ARGV_CAPACITY: Global<u32> = Global::new(sensor_ebpf::ARGV_LIMIT_DEFAULT);

/// Whether the verifier follows the types of kernel pointers from the current task on, as verifiers
/// since 5.11 can: then [`load`] needs no helper call. The loader sets this value.
#[unsafe(no_mangle)]
pub static TYPED: Global<u32> = Global::new(0);

/// The types to which [`cast!`] gives addresses; none where the kernel cannot cast. The loader sets
/// this value.
#[unsafe(no_mangle)]
pub static CASTS: Global<CastTypes> = Global::new(CastTypes::NONE);

/// One offset. The macro reads each offset alone, since a read of the whole table would copy it to
/// the stack of 512 bytes. `.rodata` is frozen, so the verifier sees a constant.
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

/// Gives an address the type of a member of [`CastTypes`], so that [`follow`] reads the members of the
/// structure without a helper call. The address need not be valid.
macro_rules! cast {
    ($kind:ident, $address:expr) => {
        $crate::bpf::kernel::cast_to(
            $address,
            // SAFETY: CASTS is a static of that type, and the read is in bounds.
            unsafe {
                core::ptr::read_volatile(
                    &raw const (*(&raw const $crate::bpf::kernel::CASTS)
                        .cast::<sensor_ebpf::CastTypes>())
                    .$kind,
                )
            },
        )
    };
}
pub(crate) use cast;

/// Gives an address the type of that number; use [`cast!`].
#[inline(always)]
pub fn cast_to(address: u64, number: u32) -> u64 {
    // SAFETY: user space replaces calls of this number by calls of the kernel's function, which
    // takes an address and a number, or by a move that returns the address.
    let cast: extern "C" fn(u64, u32) -> u64 = unsafe { transmute(RDONLY_CAST as usize) };
    cast(address, number)
}

/// Reads kernel memory; returns zeroes where the address cannot be read.
///
/// The helper zeroes the destination when it fails, so the code does not check the helper's result:
/// a check would double the verifier's paths at every read.
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

/// Reads a number or a pointer at a constant distance from a typed pointer. A typed pointer comes
/// from [`current_task`], from a BTF tracepoint, or from another `load` of a typed pointer, and has
/// been only in registers and on the stack. Returns zero where the address cannot be read.
///
/// [`kread`] reads from any address, at the price of a call.
#[inline(always)]
pub fn load<T: Copy>(address: u64) -> T {
    if TYPED.load() == 0 {
        return kread(address);
    }
    // SAFETY: the verifier knows the type behind the address and the member at
    // it, and a fault reads as zero.
    unsafe { core::ptr::read_volatile(address as *const T) }
}

/// Reads a number or a pointer at a constant distance from an address that comes from [`cast!`], or
/// from another `follow`, and has been only in registers and on the stack. Returns zero where the
/// address cannot be read.
///
/// A kernel that cannot cast reads by [`kread`].
#[inline(always)]
pub fn follow<T: Copy>(address: u64) -> T {
    if CASTS.load().mount == 0 {
        return kread(address);
    }
    // SAFETY: the verifier knows the type behind the address and the member at it, and a fault reads
    // as zero.
    unsafe { core::ptr::read_volatile(address as *const T) }
}

/// How to read the members of a structure whose address is typed for one caller and untyped for
/// another.
pub trait Reader {
    fn read<T: Copy>(address: u64) -> T;
}

/// Reads by [`load`].
pub struct Typed;

impl Reader for Typed {
    #[inline(always)]
    fn read<T: Copy>(address: u64) -> T {
        load(address)
    }
}

/// Reads by [`kread`].
pub struct Untyped;

impl Reader for Untyped {
    #[inline(always)]
    fn read<T: Copy>(address: u64) -> T {
        kread(address)
    }
}

/// Address of the current thread's `task_struct`.
#[inline(always)]
pub fn current_task() -> u64 {
    // SAFETY: the helpers have no preconditions.
    unsafe {
        if TYPED.load() == 0 {
            bpf_get_current_task()
        } else {
            bpf_get_current_task_btf() as u64
        }
    }
}
