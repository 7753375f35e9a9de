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

/// What user space wants.
#[map]
pub static SETTINGS: Array<Settings> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// See [`sensor_ebpf::Counter`]; by CPU. No per-CPU array, because those cannot be mapped into
/// user space's memory, and reading by system calls holds programs up.
#[map]
pub static COUNTS: Array<CpuCounts> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The program of each process, by tgid.
#[map]
pub static IMAGES: LruHashMap<u32, Image> = LruHashMap::with_max_entries(65_536, 0);

/// What each cgroup is (`CgroupClass`), as far as user space has said.
#[map]
pub static CGROUPS: LruHashMap<CgroupKey, u32> = LruHashMap::with_max_entries(16_384, 0);

/// Which programs have run for which tasks, and their backups not yet, see `preempt`. User space
/// makes it small where programs have no backups.
#[map]
pub static DONE: LruHashMap<DoneKey, u8> = LruHashMap::with_max_entries(DONE_MAX, 0);

/// Names of processes whose connects are wanted, see [`sensor_ebpf::want::NAMES`].
#[map]
pub static NAMES: HashMap<[u8; COMM_LEN], u8> = HashMap::with_max_entries(256, 0);

/// Until when the events of each cgroup are paid for, nanoseconds since boot. A
/// cgroup that is forgotten begins with its whole budget.
#[map]
pub static BUDGETS: LruHashMap<CgroupKey, u64> = LruHashMap::with_max_entries(16_384, 0);

/// Events of each cgroup that were over budget, by kind. Nothing is ever forgotten
/// here but by user space.
#[map]
pub static THROTTLED: PerCpuHashMap<CgroupKey, [u64; KINDS]> =
    PerCpuHashMap::with_max_entries(THROTTLED_MAX, 0);

// Scratch memory is an array by CPU: a value of a per-CPU array may not exceed
// 32 KiB. One map for each kind of program, because programs nest: user space
// sets as many entries as there are CPUs.

/// Where successful execs are put together.
#[map]
pub static SCRATCH_EXEC: Array<ExecScratch> = Array::with_max_entries(1, 0);
/// The same, for argv limits above the default.
#[map]
pub static SCRATCH_EXEC_LARGE: Array<LargeExecScratch> = Array::with_max_entries(1, 0);
/// Where failed execs are put together.
#[map]
pub static SCRATCH_FAILED: Array<ExecScratch> = Array::with_max_entries(1, 0);
/// The same, for argv limits above the default.
#[map]
pub static SCRATCH_FAILED_LARGE: Array<LargeExecScratch> = Array::with_max_entries(1, 0);
/// Where connects are put together at the exit of the system call.
#[map]
pub static SCRATCH_CONNECT: Array<HeadScratch<Connect>> = Array::with_max_entries(1, 0);
/// Where connects are put together that make no system call of that name.
#[map]
pub static SCRATCH_ATTEMPT: Array<HeadScratch<Connect>> = Array::with_max_entries(1, 0);

/// Where plain system calls are put together.
#[map]
pub static SCRATCH_CALL: Array<HeadScratch<Call>> = Array::with_max_entries(1, 0);

/// TCP connection attempts under way, by the socket's address.
#[map]
pub static ATTEMPTS: LruHashMap<u64, Attempt> = LruHashMap::with_max_entries(8192, 0);

/// Passes on a key of four bytes that has a slot of the stack (eight bytes) for itself.
///
/// For the verifier a slot is written only where all of it is written. After a write of four bytes
/// the slot's former content still counts as read by whoever reads the key, and the rest of the
/// program is verified once for each content that the slot may have had. Whether a key shares its
/// slot is the compiler's choice.
#[inline(always)]
pub fn with_key<R>(key: u32, look_up: impl FnOnce(&u32) -> R) -> R {
    #[cfg(target_endian = "little")]
    let whole = u64::from(key);
    #[cfg(target_endian = "big")]
    let whole = u64::from(key) << 32;
    let mut slot = MaybeUninit::<u64>::uninit();
    // SAFETY: the slot is on the stack; volatile, so that the write stays one of eight bytes. The
    // key is in its first four bytes.
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
        // SAFETY: `Array` is its definition and nothing else, and the key is one of its kind.
        NonNull::new(unsafe { bpf_map_lookup_elem(map, core::ptr::from_ref(key).cast()) }.cast())
    })
}

/// The same number, of which the compiler forgets what it knows: a comparison that it would leave
/// out stays, and the verifier sees it right before the number is used. For numbers that are not
/// constants: what the verifier knows of these does not outlive each way through registers.
#[inline(always)]
pub fn unknown(number: usize) -> usize {
    // SAFETY: a plain read of a local variable, volatile so that it stays one.
    unsafe { core::ptr::read_volatile(&number) }
}
