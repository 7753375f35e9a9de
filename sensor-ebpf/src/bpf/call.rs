//! Plain system calls, at their exit: one program for all of them, which tells the calls apart by
//! their numbers.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::bpf_get_smp_processor_id,
    macros::{btf_tracepoint, fexit, tracepoint},
    programs::{BtfTracePointContext, FExitContext, TracePointContext},
};
use sensor_ebpf::{BackedUp, CALL_ARGUMENTS, Call, Counter, Kind, Numbers, SystemCall, task_flag};

use super::{
    cgroup,
    count::count,
    filter,
    kernel::{current_task, load, off},
    lineage::image_of,
    maps::{SCRATCH_CALL, element},
    preempt::program,
    record::{HEAD, Record},
    regs::{Regs, syscall_number},
    task,
};

/// Where `ret` is in the record of a `syscalls/sys_exit_*` tracepoint.
const RET: usize = 16;
/// All numbers of system calls are below this limit.
const NUMBERS: usize = 512;
/// Marks a number that belongs to no plain system call.
const NONE: u8 = u8::MAX;

/// The kind of event for each number: first of native calls, then of 32-bit calls.
static KINDS: [[u8; NUMBERS]; 2] = [kinds(false), kinds(true)];
/// One bit for each number that either table has. The array is so small that it stays in the
/// processor's cache: the raw hook reads it at each system call of the machine.
static EITHER: [u64; NUMBERS / 64] = either(&KINDS);

/// The numbers of a call, of native or of 32-bit ones.
#[cfg(bpf_target_arch = "x86_64")]
const fn numbers(numbers: &Numbers, compat: bool) -> &'static [u32] {
    if compat { numbers.i386 } else { numbers.x86_64 }
}

/// The numbers of a call, of native or of 32-bit ones.
#[cfg(bpf_target_arch = "aarch64")]
const fn numbers(numbers: &Numbers, compat: bool) -> &'static [u32] {
    if compat { numbers.arm } else { numbers.arm64 }
}

const fn kinds(compat: bool) -> [u8; NUMBERS] {
    let mut kinds = [NONE; NUMBERS];
    let mut call = 0;
    while call < SystemCall::ALL.len() {
        let of = &SystemCall::ALL[call];
        let numbers = numbers(&of.numbers, compat);
        let mut number = 0;
        while number < numbers.len() {
            kinds[numbers[number] as usize] = of.kind as u8;
            number += 1;
        }
        call += 1;
    }
    kinds
}

const fn either(kinds: &[[u8; NUMBERS]; 2]) -> [u64; NUMBERS / 64] {
    let mut bits = [0; NUMBERS / 64];
    let mut number = 0;
    while number < NUMBERS {
        if kinds[0][number] != NONE || kinds[1][number] != NONE {
            bits[number / 64] |= 1 << (number % 64);
        }
        number += 1;
    }
    bits
}

program! {
    /// `syscalls/sys_exit_*` of each plain system call that user space wants.
    #[tracepoint]
    (exit_call, call_backup)(ctx: TracePointContext, copy) -> u32 {
        // SAFETY: the member is there in every kernel's format of this tracepoint.
        if let Ok(result) = unsafe { ctx.read_at::<i64>(RET) } {
            copy.run(BackedUp::Call, || called(current_task(), &Regs::current(), result));
        }
    }
}

program! {
    /// `sys_exit(regs, ret)`. The kernel runs this hook for every system call, so the test of the
    /// number comes first.
    #[btf_tracepoint(function = "sys_exit")]
    (exit_call_raw, call_raw_backup)(ctx: BtfTracePointContext, copy) -> i32 {
        let _ = ctx.as_ptr();
        if may_be_call(syscall_number(ctx.arg(0))) {
            copy.run(BackedUp::CallRaw, || {
                let task = current_task();
                called(task, &Regs::at(ctx.arg(0), task), ctx.arg(1));
            });
        }
    }
}

program! {
    /// The exit of the kernel's function for a plain system call: `FUNCTION(regs)` and its result.
    /// The program does not read the argument, whose type 5.10 does not know in full.
    /// The sensor loads this program once for each function.
    #[fexit]
    (fexit_call, fexit_call_backup)(ctx: FExitContext, copy) -> i32 {
        copy.run(BackedUp::CallFunction, || {
            let task = current_task();
            called(task, &Regs::current().of(task), ctx.arg(1));
        });
    }
}

/// Whether a call of that number, native or of 32 bits, may be a plain system call.
#[inline(always)]
fn may_be_call(number: u32) -> bool {
    let number = number as usize;
    if number >= NUMBERS {
        return false;
    }
    // SAFETY: the index is within the array; the read is volatile, so that the compiler keeps the
    // array.
    let bits = unsafe { core::ptr::read_volatile(EITHER.as_ptr().add(number / 64)) };
    bits >> (number % 64) & 1 != 0
}

/// The kind of a system call.
#[inline(always)]
fn kind_of(regs: &Regs) -> Option<Kind> {
    let number = regs.syscall() as usize;
    if number >= NUMBERS {
        return None;
    }
    let index = regs.compat as usize * NUMBERS + number;
    // SAFETY: the index is within both arrays; the read is volatile, so that the compiler keeps the
    // arrays.
    let kind = unsafe { core::ptr::read_volatile(KINDS.as_ptr().cast::<u8>().add(index)) };
    Kind::from_raw(u16::from(kind))
}

/// Handles the exit of a plain system call. A call that no rule wants is not counted, as if it were
/// not hooked; with per-syscall tracepoints the sensor does not hook such a call at all.
#[inline(always)]
fn called(task: u64, regs: &Regs, result: i64) {
    let Some(kind) = kind_of(regs) else {
        return;
    };
    let Some(settings) = filter::settings() else {
        return;
    };
    if !filter::has(settings.kinds, kind) {
        return;
    }
    count(kind, Counter::Seen);
    let tgid: u32 = load(task + off!(task_tgid));
    let leader: u64 = load(task + off!(task_group_leader));
    let image = image_of(tgid, leader);
    let node = cgroup::node_of(task);
    let key = cgroup::key_of(node);
    let wanted = filter::wanted(settings, kind, image.marked != 0, &key);
    if wanted == 0 {
        return;
    }
    let Some(record) = scratch() else {
        filter::count_lost(kind, wanted, Counter::NoScratch);
        return;
    };
    record.set_wanted(wanted);
    record.begin(kind);
    record.fixed.result = result;
    for n in 0..CALL_ARGUMENTS {
        record.fixed.arguments[n] = regs.argument(n);
    }
    task::fill(record, task, &image, key, settings);
    let start = record.position();
    if cgroup::append_names(record, node) {
        record.task.flags |= task_flag::CGROUP_COMPLETE;
    }
    record.task.cgroup_len = (record.position() - start) as u32;
    record.submit_at_most(kind, HEAD);
}

/// This CPU's scratch memory.
#[inline(always)]
fn scratch() -> Option<&'static mut Record<Call>> {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let pointer = element(&SCRATCH_CALL, cpu)?.as_ptr();
    // SAFETY: the program does not interrupt itself on a CPU. The program touches nothing beyond
    // the head, and the verifier enforces that bound.
    Some(unsafe { &mut *pointer.cast() })
}
