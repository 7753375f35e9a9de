//! The maps, by their names in user space.

use core::{mem::MaybeUninit, ptr::NonNull};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::generated::bpf_map_lookup_elem,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuHashMap, RingBuf},
};
use sensor_ebpf::{
    Attempt, COMM_LEN, Call, CgroupKey, Connect, CpuCounts, DONE_MAX, DoneKey, Image, KINDS,
    Settings, THROTTLED_MAX,
};

use super::record::{ExecScratch, HeadScratch, LargeExecScratch};

/// All records, in the kernel's order. User space sets the size.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// The settings that user space writes.
#[map]
pub static SETTINGS: Array<Settings> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The counters ([`sensor_ebpf::Counter`]) of each CPU. The map is no per-CPU array, because user
/// space cannot map such an array into memory, and reads by system calls would delay the programs.
#[map]
pub static COUNTS: Array<CpuCounts> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The program of each process, by tgid.
#[map]
pub static IMAGES: LruHashMap<u32, Image> = LruHashMap::with_max_entries(65_536, 0);

/// The class of each cgroup (`CgroupClass`), as far as user space has classified it.
#[map]
pub static CGROUPS: LruHashMap<CgroupKey, u32> = LruHashMap::with_max_entries(16_384, 0);

/// Which programs have run for which tasks while their backups have not run yet, see `preempt`.
/// User space makes the map small where programs have no backups.
#[map]
pub static DONE: LruHashMap<DoneKey, u8> = LruHashMap::with_max_entries(DONE_MAX, 0);

/// Names of the processes whose connects user space wants, see [`sensor_ebpf::want::NAMES`].
#[map]
pub static NAMES: HashMap<[u8; COMM_LEN], u8> = HashMap::with_max_entries(256, 0);

/// The time up to which each cgroup has paid for its events, nanoseconds since boot. A cgroup that
/// the kernel evicts from the map starts again with its whole budget.
#[map]
pub static BUDGETS: LruHashMap<CgroupKey, u64> = LruHashMap::with_max_entries(16_384, 0);

/// Events of each cgroup over its budget, by kind. Only user space removes entries here.
#[map]
pub static THROTTLED: PerCpuHashMap<CgroupKey, [u64; KINDS]> =
    PerCpuHashMap::with_max_entries(THROTTLED_MAX, 0);

// Scratch memory is an array by CPU: a value of a per-CPU array may not exceed
// 32 KiB. One map for each kind of program, because programs nest: user space
// sets as many entries as there are CPUs.

/// Scratch memory for successful execs.
#[map]
pub static SCRATCH_EXEC: Array<ExecScratch> = Array::with_max_entries(1, 0);
/// The same, for argv limits above the default.
#[map]
pub static SCRATCH_EXEC_LARGE: Array<LargeExecScratch> = Array::with_max_entries(1, 0);
/// Scratch memory for failed execs.
#[map]
pub static SCRATCH_FAILED: Array<ExecScratch> = Array::with_max_entries(1, 0);
/// The same, for argv limits above the default.
#[map]
pub static SCRATCH_FAILED_LARGE: Array<LargeExecScratch> = Array::with_max_entries(1, 0);
/// Scratch memory for connects at the exit of the system call.
#[map]
pub static SCRATCH_CONNECT: Array<HeadScratch<Connect>> = Array::with_max_entries(1, 0);
/// Scratch memory for connects without a system call of that name.
#[map]
pub static SCRATCH_ATTEMPT: Array<HeadScratch<Connect>> = Array::with_max_entries(1, 0);

/// Scratch memory for plain system calls.
#[map]
pub static SCRATCH_CALL: Array<HeadScratch<Call>> = Array::with_max_entries(1, 0);

/// TCP connection attempts under way, by the socket's address.
#[map]
pub static ATTEMPTS: LruHashMap<u64, Attempt> = LruHashMap::with_max_entries(8192, 0);

/// Calls `look_up` with a key of four bytes that has a stack slot (eight bytes) for itself.
///
/// The verifier takes a slot as written only where the program writes all eight bytes. After a
/// write of four bytes, a read of the key counts as a read of the slot's former content too, and
/// the verifier checks the rest of the program once for each content that the slot may have had.
/// The compiler chooses whether a key shares its slot.
#[inline(always)]
pub fn with_key<R>(key: u32, look_up: impl FnOnce(&u32) -> R) -> R {
    #[cfg(target_endian = "little")]
    let whole = u64::from(key);
    #[cfg(target_endian = "big")]
    let whole = u64::from(key) << 32;
    let mut slot = MaybeUninit::<u64>::uninit();
    // SAFETY: the slot is on the stack; the write is volatile, so that it stays one of eight bytes.
    // The key is in the first four bytes of the slot.
    unsafe {
        core::ptr::write_volatile(slot.as_mut_ptr(), whole);
        look_up(&*slot.as_ptr().cast::<u32>())
    }
}

/// The element of an array at that index.
#[inline(always)]
pub fn element<T>(array: &'static Array<T>, index: u32) -> Option<NonNull<T>> {
    with_key(index, |key| {
        let map = core::ptr::from_ref(array).cast_mut().cast();
        // SAFETY: `Array` consists of its map definition and nothing else, and the key has the type
        // that the map expects.
        NonNull::new(unsafe { bpf_map_lookup_elem(map, core::ptr::from_ref(key).cast()) }.cast())
    })
}

/// Returns the same number in a way that hides its range from the compiler. The compiler then keeps
/// a comparison that it would otherwise remove, and the verifier sees that comparison right before
/// the code uses the number. For numbers that are not constants: the verifier does not keep the
/// range of such a number on each path through registers.
#[inline(always)]
pub fn unknown(number: usize) -> usize {
    // SAFETY: a plain read of a local variable, volatile so that it stays one.
    unsafe { core::ptr::read_volatile(&number) }
}
