//! Connection attempts at the exit of `connect(2)`: one event with the result.
//!
//! The module `attempt` reports TCP connections that begin without such a call, and saves the
//! destination of attempts that fail.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::bpf_get_smp_processor_id,
    macros::{btf_tracepoint, fexit, tracepoint},
    maps::Array,
    programs::{BtfTracePointContext, FExitContext, TracePointContext},
};
use sensor_ebpf::{
    BackedUp, CgroupKey, Connect, Counter, EXE_MAX, Image, Kind, Settings, connect_flag, task_flag,
    want,
};

use super::{
    attempt::settle,
    budget, cgroup,
    count::count,
    filter,
    given::{Call, is_compat_connect, is_connect, may_be_connect},
    kernel::{Untyped, current_task, kread, load, off},
    lineage::image_of,
    maps::{SCRATCH_CONNECT, element},
    path::append_path,
    preempt::program,
    record::{HEAD, HeadScratch, Record},
    regs::{Regs, syscall_number},
    socket::{AF_INET, AF_INET6, AF_UNIX, Descriptor, descriptor, fill, is_loopback},
    task,
};

/// Where `ret` is in the record of a `syscalls/sys_exit_*` tracepoint.
const RET: usize = 16;
const EAFNOSUPPORT: i64 = -97;

program! {
    /// `syscalls/sys_exit_connect`.
    #[tracepoint(category = "syscalls", name = "sys_exit_connect")]
    (exit_connect, connect_backup)(ctx: TracePointContext, copy) -> u32 {
        // SAFETY: the member is there in every kernel's format of this tracepoint.
        if let Ok(result) = unsafe { ctx.read_at::<i64>(RET) } {
            copy.run(BackedUp::Connect, || connected_here(result));
        }
    }
}

#[inline(always)]
fn connected_here(result: i64) {
    connected(current_task(), || Call::native(&Regs::current(), result));
}

program! {
    /// `sys_exit(regs, ret)`. The kernel runs this hook for every system call, so the test of the
    /// number comes first. The number is in the same register for native and 32-bit calls.
    #[btf_tracepoint(function = "sys_exit")]
    (exit_connect_raw, connect_raw_backup)(ctx: BtfTracePointContext, copy) -> i32 {
        let _ = ctx.as_ptr();
        if may_be_connect(syscall_number(ctx.arg(0))) {
            copy.run(BackedUp::ConnectRaw, || connected_raw(ctx.arg(0), ctx.arg(1)));
        }
    }
}

program! {
    /// The exit of the kernel's functions for `connect` and for `socketcall`.
    #[fexit]
    (fexit_connect, fexit_connect_backup)(ctx: FExitContext, copy) -> i32 {
        copy.run(BackedUp::ConnectFunction, || {
            let task = current_task();
            connected_either(task, &Regs::current().of(task), ctx.arg(1));
        });
    }
}

#[inline(always)]
fn connected_raw(regs: u64, result: i64) {
    let task = current_task();
    connected_either(task, &Regs::at(regs, task), result);
}

/// Handles the exit of a native or a 32-bit call that may be one that connects.
#[inline(always)]
fn connected_either(task: u64, regs: &Regs, result: i64) {
    let connects = if regs.compat {
        is_compat_connect(regs)
    } else {
        is_connect(regs)
    };
    if connects {
        connected(task, || {
            if regs.compat {
                Call::compat(regs, result)
            } else {
                Call::native(regs, result)
            }
        });
    }
}

/// Handles an attempt at the exit of its system call. The program looks at the calling process
/// first: this test is cheap, and the program reads nothing else for an event that no rule wants.
#[inline(always)]
fn connected(task: u64, call: impl Fn() -> Call) {
    count(Kind::Connect, Counter::Seen);
    let Some(settings) = filter::settings() else {
        return;
    };
    if !filter::has(settings.kinds, Kind::Connect) {
        count(Kind::Connect, Counter::FilteredOther);
        return;
    }
    let Some(caller) = caller(task, settings) else {
        return;
    };
    let call = call();
    #[cfg(feature = "log")]
    super::log::connect_ended(caller.image.tgid, call.fd, call.result);
    let target = descriptor(task, call.fd);
    let family = kread(target.sock + off!(sock_family));
    let wanted = of_family(settings, caller.wanted, family);
    if wanted == 0 {
        count(Kind::Connect, Counter::FilteredOther);
        return;
    }
    let Some(record) = scratch(&SCRATCH_CONNECT) else {
        filter::count_lost(Kind::Connect, wanted, Counter::NoScratch);
        return;
    };
    record.begin(Kind::Connect);
    let out = &mut record.fixed;
    begin(out, call.result, call.fd, &target);
    if call.compat {
        out.flags |= connect_flag::COMPAT;
    }
    if target.file != 0 && target.sock == 0 {
        out.flags |= connect_flag::NOT_A_SOCKET;
    }
    call.read_address(out);
    if target.sock != 0 {
        fill::<Untyped>(out, target.sock);
        if !settle(out, &target) {
            count(Kind::Connect, Counter::FilteredOther);
            return;
        }
    }
    let wanted = to_remote(settings, wanted, out);
    emit(record, task, &caller, settings, &call, target.file, wanted);
}

/// Resets a record's fixed part and fills in the members that are known already. The code writes
/// member by member, since a whole structure would pass through the small stack.
#[inline(always)]
pub fn begin(out: &mut Connect, result: i64, fd: i32, target: &Descriptor) {
    out.result = result;
    out.socket = target.sock;
    out.inode = target.inode;
    out.fd = fd;
    out.flags = 0;
    out.family = 0;
    out.socket_type = target.socket_type;
    out.protocol = 0;
    out.state = 0;
    out.local = [0; 16];
    out.remote = [0; 16];
    out.local_port = 0;
    out.remote_port = 0;
    out.given_family = 0;
    out.given_port = 0;
    out.given = [0; 16];
    out.path_len = 0;
    out.given_len = 0;
}

/// Who of `wanted` wants sockets of that address family (0: the descriptor is no socket).
#[inline(always)]
pub fn of_family(settings: &Settings, wanted: u32, family: u16) -> u32 {
    let bit = match family {
        AF_INET | AF_INET6 => want::INET,
        AF_UNIX => want::UNIX,
        _ => want::OTHER_FAMILIES,
    };
    with_bit(settings, wanted, bit)
}

/// Who of `wanted` wants connects with that bit of [`want`].
#[inline(always)]
fn with_bit(settings: &Settings, wanted: u32, bit: u32) -> u32 {
    let mut left = wanted;
    if settings.wants & bit == 0 {
        left &= !filter::RULES;
    }
    if settings.watched_wants & bit == 0 {
        left &= !filter::OBSERVERS;
    }
    left
}

/// Who of `wanted` wants connects to this remote endpoint. The endpoint is the one that user space
/// will report: for a failed attempt that the kernel did not begin, the address that the caller gave.
#[inline(always)]
pub fn to_remote(settings: &Settings, wanted: u32, out: &Connect) -> u32 {
    let left = with_bit(settings, wanted, want::LOOPBACK);
    if left == wanted || is_remote(out) {
        wanted
    } else {
        left
    }
}

/// Whether a connect leads to another address than a loopback one.
#[inline(always)]
fn is_remote(out: &Connect) -> bool {
    if out.remote_port != 0 || out.result >= 0 {
        !is_loopback(out.family, &out.remote)
    } else {
        let leads_nowhere = out.family == 0 || out.result == EAFNOSUPPORT;
        leads_nowhere || !is_loopback(out.given_family, &out.given)
    }
}

/// The process that connects, with its program and cgroup.
#[derive(Clone, Copy)]
pub struct Caller {
    image: Image,
    node: u64,
    cgroup: CgroupKey,
    /// Who wants connects of the process, see [`filter::is_wanted`].
    pub wanted: u32,
}

/// Identifies the process that connects. Returns none, and counts the event, if nobody wants events
/// of that process. Rules may want those of some names alone.
#[inline(always)]
pub fn caller(task: u64, settings: &Settings) -> Option<Caller> {
    let tgid: u32 = load(task + off!(task_tgid));
    let leader: u64 = load(task + off!(task_group_leader));
    let image = image_of(tgid, leader);
    let node = cgroup::node_of(task);
    let cgroup = cgroup::key_of(node);
    let mut wanted = filter::is_wanted(settings, Kind::Connect, image.marked != 0, &cgroup);
    if wanted == 0 {
        return None;
    }
    if !filter::wanted_name(settings, leader) {
        wanted &= !filter::RULES;
        if wanted == 0 {
            count(Kind::Connect, Counter::FilteredOther);
            return None;
        }
    }
    Some(Caller {
        image,
        node,
        cgroup,
        wanted,
    })
}

#[inline(always)]
pub fn scratch(map: &'static Array<HeadScratch<Connect>>) -> Option<&'static mut Record<Connect>> {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let pointer = element(map, cpu)?.as_ptr();
    // SAFETY: the program does not interrupt itself on a CPU. The program touches nothing beyond
    // the head, and the verifier enforces that bound.
    Some(unsafe { &mut *pointer.cast() })
}

/// Completes the record and submits it to the ring buffer, if somebody wants it. `file` is the address
/// of the descriptor's `struct file`, for a descriptor that is no socket.
#[inline(always)]
pub fn emit(
    record: &mut Record<Connect>,
    task: u64,
    caller: &Caller,
    settings: &Settings,
    call: &Call,
    file: u64,
    wanted: u32,
) {
    if wanted == 0 {
        count(Kind::Connect, Counter::FilteredOther);
        return;
    }
    if !budget::spend(settings, Kind::Connect, wanted, &caller.cgroup) {
        return;
    }
    record.set_wanted(wanted);
    task::fill(record, task, &caller.image, caller.cgroup, settings);
    let start = record.position();
    if cgroup::append_names(record, caller.node) {
        record.task.flags |= task_flag::CGROUP_COMPLETE;
    }
    record.task.cgroup_len = (record.position() - start) as u32;
    if record.fixed.flags & connect_flag::NOT_A_SOCKET != 0 {
        let start = record.position();
        let fs: u64 = kread(task + off!(task_fs));
        let _ = append_path(
            record,
            file + off!(file_f_path),
            Some(fs + off!(fs_root)),
            EXE_MAX,
        );
        record.fixed.path_len = (record.position() - start) as u32;
    } else if record.fixed.given_family == AF_UNIX {
        call.append_path(record);
    }
    if record.fixed.flags & connect_flag::GIVEN_UNREADABLE != 0 {
        record.count_incomplete(Kind::Connect, Counter::Unreadable);
    }
    record.submit_at_most(Kind::Connect, HEAD);
}
