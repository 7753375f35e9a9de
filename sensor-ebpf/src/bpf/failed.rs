//! Failed execs, at the exit of the system call: the caller's memory, and with
//! it the argv that was tried, is still there.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_smp_processor_id, bpf_probe_read_user_str},
    macros::{btf_tracepoint, fexit, tracepoint},
    programs::{BtfTracePointContext, FExitContext, TracePointContext},
};
use sensor_ebpf::{
    ARGV_LIMIT_DEFAULT, BackedUp, Counter, ENV_LIMIT_MAX, Exec, FILENAME_MAX, Kind, exec_flag,
    task_flag,
};

use super::{
    cgroup,
    count::count,
    exec::{PATHS_COMPLETE, append_cwd, append_exe, exec_id, file_facts},
    filter,
    kernel::{ARGV_CAPACITY, current_task, load, off},
    lineage::image_of,
    maps::{SCRATCH_FAILED, SCRATCH_FAILED_LARGE, element},
    preempt::program,
    record::{HEAD, LargeExecScratch},
    regs::{Regs, syscall_number, uread},
    task,
};

/// Most strings of the argv that was tried.
const STRINGS_MAX: u64 = 512;
/// Where `ret` is in the record of a `syscalls/sys_exit_*` tracepoint.
const RET: usize = 16;

program! {
    /// `syscalls/sys_exit_execve` and `syscalls/sys_exit_execveat`.
    #[tracepoint]
    (exit_execve, execve_backup)(ctx: TracePointContext, copy) -> u32 {
        if let Some(result) = error_of(&ctx) {
            copy.run(BackedUp::Execve, || failed_here(result));
        }
    }
}

/// The result of the call, if the call failed.
#[inline(always)]
fn error_of(ctx: &TracePointContext) -> Option<i64> {
    // SAFETY: the member is there in every kernel's format of this tracepoint.
    let result = unsafe { ctx.read_at::<i64>(RET) }.ok()?;
    (result < 0).then_some(result)
}

#[inline(always)]
fn failed_here(result: i64) {
    let regs = Regs::current();
    failed(current_task(), &regs, result, || {
        regs.syscall() == number::EXECVEAT
    });
}

/// Numbers of `execve` and `execveat`, 64 and 32 bits.
#[cfg(bpf_target_arch = "x86_64")]
mod number {
    pub const EXECVE: u32 = 59;
    pub const EXECVEAT: u32 = 322;
    pub const COMPAT_EXECVE: u32 = 11;
    pub const COMPAT_EXECVEAT: u32 = 358;
}
#[cfg(bpf_target_arch = "aarch64")]
mod number {
    pub const EXECVE: u32 = 221;
    pub const EXECVEAT: u32 = 281;
    pub const COMPAT_EXECVE: u32 = 11;
    pub const COMPAT_EXECVEAT: u32 = 387;
}

program! {
    /// `sys_exit(regs, ret)`. The kernel runs this hook for every system call, so the tests come
    /// first.
    #[btf_tracepoint(function = "sys_exit")]
    (exit_exec_raw, exec_raw_backup)(ctx: BtfTracePointContext, copy) -> i32 {
        let _ = ctx.as_ptr();
        let result: i64 = ctx.arg(1);
        if result < 0 && may_be_exec(syscall_number(ctx.arg(0))) {
            copy.run(BackedUp::ExecRaw, || failed_raw(ctx.arg(0), result));
        }
    }
}

program! {
    /// The exit of the kernel's functions for `execve` and `execveat`.
    #[fexit]
    (fexit_exec, fexit_exec_backup)(ctx: FExitContext, copy) -> i32 {
        let result: i64 = ctx.arg(1);
        if result < 0 {
            copy.run(BackedUp::ExecFunction, || {
                let task = current_task();
                failed_either(task, &Regs::current().of(task), result);
            });
        }
    }
}

/// Whether the number is that of an exec, of 64 or of 32 bits.
#[inline(always)]
fn may_be_exec(syscall: u32) -> bool {
    use number::*;
    matches!(syscall, EXECVE | EXECVEAT | COMPAT_EXECVE | COMPAT_EXECVEAT)
}

#[inline(always)]
fn failed_raw(regs: u64, result: i64) {
    let task = current_task();
    failed_either(task, &Regs::at(regs, task), result);
}

/// Handles the exit of a native or a 32-bit call that may be an exec.
#[inline(always)]
fn failed_either(task: u64, regs: &Regs, result: i64) {
    let syscall = regs.syscall();
    let at = if regs.compat {
        number::COMPAT_EXECVEAT
    } else {
        number::EXECVEAT
    };
    let plain = if regs.compat {
        number::COMPAT_EXECVE
    } else {
        number::EXECVE
    };
    if syscall == plain || syscall == at {
        failed(task, regs, result, || syscall == at);
    }
}

#[inline(always)]
fn failed(task: u64, regs: &Regs, result: i64, is_execveat: impl Fn() -> bool) {
    count(Kind::ExecFailed, Counter::Seen);
    let Some(settings) = filter::settings() else {
        return;
    };
    let tgid: u32 = load(task + off!(task_tgid));
    let leader: u64 = load(task + off!(task_group_leader));
    let image = image_of(tgid, leader);
    let node = cgroup::node_of(task);
    let key = cgroup::key_of(node);
    if !filter::has(settings.kinds, Kind::ExecFailed) {
        count(Kind::ExecFailed, Counter::FilteredOther);
        return;
    }
    let wanted = filter::wanted(settings, Kind::ExecFailed, image.marked != 0, &key);
    if wanted == 0 {
        return;
    }
    let capacity = ARGV_CAPACITY.load();
    let Some(record) = scratch(capacity) else {
        filter::count_lost(Kind::ExecFailed, wanted, Counter::NoScratch);
        return;
    };
    record.set_wanted(wanted);
    record.begin(Kind::ExecFailed);
    record.fixed = Exec::default();
    record.fixed.result = result;
    record.fixed.exec_id = exec_id(task);
    // The program writes into the record at once which call this is, and reads it from there: the
    // same fact in a register would make the verifier check all following code once for each call.
    if is_execveat() {
        record.add_exec_flags(exec_flag::EXECVEAT);
    }
    if regs.compat {
        record.add_exec_flags(exec_flag::COMPAT);
    }
    task::fill(record, task, &image, key, settings);

    let start = record.position();
    if cgroup::append_names(record, node) {
        record.task.flags |= task_flag::CGROUP_COMPLETE;
    }
    record.task.cgroup_len = (record.position() - start) as u32;

    // The calling program: Falco's `proc.*` of a failed exec.
    let mm: u64 = load(task + off!(task_mm));
    let file: u64 = load(mm + off!(mm_exe_file));
    let facts = file_facts(&mut record.fixed, file);
    record.add_exec_flags(facts);
    append_exe(record, file);
    append_cwd(record, task);

    // The executable and arguments of the failed call.
    let flags = record.exec_flags();
    let regs = regs.with_compat(flags & exec_flag::COMPAT != 0);
    let (filename, argv) = if flags & exec_flag::EXECVEAT != 0 {
        (regs.argument(1), regs.argument(2))
    } else {
        (regs.argument(0), regs.argument(1))
    };
    let start = record.position();
    append_filename(record, filename);
    record.fixed.filename_len = (record.position() - start) as u32;
    append_strings(record, argv, settings.argv_limit, capacity);
    if record.exec_flags() & exec_flag::ARGV_TRUNCATED != 0 {
        record.count_incomplete(Kind::ExecFailed, Counter::Truncated);
    }
    if record.exec_flags() & exec_flag::ARGV_UNREADABLE != 0 {
        record.count_incomplete(Kind::ExecFailed, Counter::Unreadable);
    }
    if record.exec_flags() & PATHS_COMPLETE != PATHS_COMPLETE {
        record.count_incomplete(Kind::ExecFailed, Counter::PathIncomplete);
    }
    record.submit(Kind::ExecFailed, capacity);
}

/// This CPU's scratch memory, see `exec::scratch`.
#[inline(always)]
fn scratch(capacity: u32) -> Option<&'static mut LargeExecScratch> {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let pointer = if capacity > ARGV_LIMIT_DEFAULT {
        element(&SCRATCH_FAILED_LARGE, cpu)?
    } else {
        element(&SCRATCH_FAILED, cpu)?.cast()
    };
    // SAFETY: this program does not interrupt itself on a CPU. The program touches nothing beyond
    // `capacity`, and the verifier enforces that bound.
    Some(unsafe { &mut *pointer.as_ptr() })
}

/// Appends the path that the caller gave, from user memory, without its NUL.
#[inline(always)]
fn append_filename(record: &mut LargeExecScratch, filename: u64) {
    let at = record.position();
    if at > HEAD - FILENAME_MAX {
        return;
    }
    // SAFETY: `at + FILENAME_MAX` is in `data`.
    let n = unsafe {
        bpf_probe_read_user_str(
            record.data.as_mut_ptr().add(at).cast(),
            FILENAME_MAX as u32,
            filename as *const _,
        )
    };
    if n > 1 {
        record.set_position(at + n as usize - 1);
    }
}

/// Appends the strings of an array of pointers, which ends with a null pointer.
#[inline(always)]
fn append_strings(record: &mut LargeExecScratch, array: u64, limit: u32, capacity: u32) {
    let start = record.position();
    let mut most = limit;
    if most > capacity {
        most = capacity;
    }
    let end = start + most as usize;
    if array == 0 {
        return; // an empty argv
    }
    // The address of the next pointer is in map memory, like the position. The same holds for
    // whether pointers have 32 bits: that fact in a register would double the paths that the
    // verifier follows.
    record.set_depth(array);
    let mut flags = exec_flag::ARGV_TRUNCATED;
    for _ in 0..STRINGS_MAX {
        let cursor = record.depth();
        let pointer = uread::<u64>(cursor);
        let Some(pointer) = pointer else {
            flags = exec_flag::ARGV_UNREADABLE;
            break;
        };
        let pointer = if record.exec_flags() & exec_flag::COMPAT != 0 {
            record.set_depth(cursor + 4);
            pointer & u64::from(u32::MAX)
        } else {
            record.set_depth(cursor + 8);
            pointer
        };
        if pointer == 0 {
            flags = 0;
            break;
        }
        let at = record.position();
        if at >= end || at > HEAD + capacity as usize {
            break;
        }
        let mut room = end - at;
        if room > ENV_LIMIT_MAX as usize {
            room = ENV_LIMIT_MAX as usize;
        }
        // SAFETY: `at <= HEAD + capacity`, and behind argv there is room for
        // ENV_LIMIT_MAX bytes.
        let n = unsafe {
            bpf_probe_read_user_str(
                record.data.as_mut_ptr().add(at).cast(),
                room as u32,
                pointer as *const _,
            )
        };
        if n < 0 {
            flags = exec_flag::ARGV_UNREADABLE;
            break;
        }
        // Before 5.11 the helper returns 0 bytes for an empty string, although it has written the
        // NUL.
        let len = if n == 0 { 1 } else { n as usize };
        record.set_position(at + len);
        if len == room {
            break; // cut, or it just fits: then nothing more does
        }
    }
    let len = record.position() - start;
    record.add_exec_flags(flags);
    record.fixed.argv_len = len as u32;
    record.fixed.argv_size = len as u64;
}
