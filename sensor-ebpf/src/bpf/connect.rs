//! Connection attempts.
//!
//! `connect(2)` is taken at its exit: one event with the result. What the
//! kernel's TCP begins without such a call (io_uring, TCP fast open, 32-bit
//! `socketcall`) is taken at the socket's change to SYN_SENT, as an attempt
//! under way. For the calls that change leaves the destination behind, which the
//! socket of a failed attempt has forgotten by the exit.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_current_pid_tgid, bpf_get_smp_processor_id, bpf_probe_read_user},
    macros::{btf_tracepoint, tracepoint},
    maps::Array,
    programs::{BtfTracePointContext, TracePointContext},
};
use sensor_ebpf::{
    Attempt, CgroupKey, Connect, Counter, Image, Kind, Settings, connect_flag, task_flag, want,
};

use super::{
    cgroup,
    count::count,
    filter,
    kernel::{current_task, kread, off},
    lineage::image_of,
    maps::{ATTEMPTS, SCRATCH_ATTEMPT, SCRATCH_CONNECT},
    record::{HEAD, HeadScratch, LargeExecScratch},
    regs::{Regs, uread},
    socket::{AF_INET, AF_INET6, AF_UNIX, Descriptor, descriptor, fill, is_loopback},
    task,
};

/// Where `ret` is in the record of a `syscalls/sys_exit_*` tracepoint.
const RET: usize = 16;
/// `TCP_SYN_SENT` of include/net/tcp_states.h.
const SYN_SENT: i32 = 2;
/// `IPPROTO_TCP`.
const TCP: u16 = 6;
/// `ERESTARTSYS` … `ERESTART_RESTARTBLOCK`: a signal interrupted the call.
const RESTART: core::ops::RangeInclusive<i64> = -516..=-512;
const EINPROGRESS: i64 = -115;
/// Bytes of `sun_path`.
const PATH_MAX: u64 = 108;
/// `PF_IO_WORKER`.
const PF_IO_WORKER: u32 = 0x10;

#[cfg(bpf_target_arch = "x86_64")]
mod number {
    pub const CONNECT: u32 = 42;
    pub const COMPAT_CONNECT: u32 = 362;
    pub const COMPAT_SOCKETCALL: u32 = 102;
}
#[cfg(bpf_target_arch = "aarch64")]
mod number {
    pub const CONNECT: u32 = 203;
    pub const COMPAT_CONNECT: u32 = 283;
    pub const COMPAT_SOCKETCALL: u32 = 102;
}
/// `SYS_CONNECT` of `socketcall`.
const SOCKETCALL_CONNECT: u64 = 3;

/// What the caller gave.
#[derive(Clone, Copy)]
struct Call {
    fd: i32,
    address: u64,
    len: u64,
    result: i64,
    compat: bool,
}

/// `syscalls/sys_exit_connect`.
#[tracepoint(category = "syscalls", name = "sys_exit_connect")]
pub fn exit_connect(ctx: TracePointContext) -> u32 {
    // SAFETY: the member is there in every kernel's format of this tracepoint.
    if let Ok(result) = unsafe { ctx.read_at::<i64>(RET) } {
        let regs = Regs::current();
        connected(
            current_task(),
            &Call {
                fd: regs.argument(0) as i32,
                address: regs.argument(1),
                len: regs.argument(2),
                result,
                compat: false,
            },
        );
    }
    0
}

/// `sys_exit(regs, ret)`: of all system calls, so the test comes first.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_connect_raw(ctx: BtfTracePointContext) -> i32 {
    let _ = ctx.as_ptr();
    let task = current_task();
    let regs = Regs::at(ctx.arg(0), task);
    let syscall = regs.syscall();
    if regs.compat {
        compat_exit(task, &regs, syscall, ctx.arg(1));
    } else if syscall == number::CONNECT {
        connected(
            task,
            &Call {
                fd: regs.argument(0) as i32,
                address: regs.argument(1),
                len: regs.argument(2),
                result: ctx.arg(1),
                compat: false,
            },
        );
    }
    0
}

/// The exit of a 32-bit system call.
#[inline(always)]
fn compat_exit(task: u64, regs: &Regs, syscall: u32, result: i64) {
    let arguments = if syscall == number::COMPAT_CONNECT {
        [
            regs.argument(0) as u32,
            regs.argument(1) as u32,
            regs.argument(2) as u32,
        ]
    } else if syscall == number::COMPAT_SOCKETCALL && regs.argument(0) == SOCKETCALL_CONNECT {
        uread::<[u32; 3]>(regs.argument(1)).unwrap_or([u32::MAX, 0, 0])
    } else {
        return;
    };
    connected(
        task,
        &Call {
            fd: arguments[0] as i32,
            address: u64::from(arguments[1]),
            len: u64::from(arguments[2]),
            result,
            compat: true,
        },
    );
}

/// An attempt at the exit of its system call.
#[inline(always)]
fn connected(task: u64, call: &Call) {
    count(Kind::Connect, Counter::Seen);
    let Some(settings) = filter::settings() else {
        return;
    };
    if settings.wants & want::CONNECT == 0 {
        count(Kind::Connect, Counter::FilteredOther);
        return;
    }
    let Some(who) = who(task, settings) else {
        return;
    };
    let Some(record) = scratch(&SCRATCH_CONNECT) else {
        count(Kind::Connect, Counter::NoScratch);
        return;
    };
    record.begin(Kind::Connect);
    let target = descriptor(task, call.fd);
    let out = record.connect();
    begin(out, call.result, call.fd, &target);
    if call.compat {
        out.flags |= connect_flag::COMPAT;
    }
    if target.file != 0 && target.sock == 0 {
        out.flags |= connect_flag::NOT_A_SOCKET;
    }
    given(out, call);
    if target.sock != 0 {
        fill(out, target.sock);
        let restart = match ATTEMPTS.get_ptr(&target.sock) {
            // SAFETY: a value of the map, which outlives this program's run.
            Some(attempt) => settle(out, unsafe { &*attempt }),
            None => false,
        };
        let goes_on = RESTART.contains(&call.result);
        if goes_on && out.protocol == TCP && i32::from(out.state) == SYN_SENT && !restart {
            out.result = EINPROGRESS;
            out.flags |= connect_flag::INTERRUPTED;
            mark_reported(target.sock);
        } else {
            if !goes_on {
                let _ = ATTEMPTS.remove(&target.sock);
            }
            // A restart was reported already; of another interrupted call
            // nothing is under way, and it comes again.
            if restart || goes_on {
                count(Kind::Connect, Counter::FilteredOther);
                return;
            }
        }
    }
    if wanted_family(settings, out) {
        emit(record, task, &who, settings, call);
    } else {
        count(Kind::Connect, Counter::FilteredOther);
    }
}

/// Empties a record's fixed part, and fills in what is known at once. Member by
/// member: a whole structure would pass over the small stack.
#[inline(always)]
fn begin(out: &mut Connect, result: i64, fd: i32, target: &Descriptor) {
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
    out.reserved = 0;
}

/// Takes over what the kernel remembered of the attempt, where the socket has
/// forgotten it. True if this is the restart of an attempt that was reported.
#[inline(always)]
fn settle(out: &mut Connect, attempt: &Attempt) -> bool {
    if out.remote_port == 0 {
        out.remote = attempt.remote;
        out.remote_port = attempt.remote_port;
        out.local = attempt.local;
        if out.local_port == 0 {
            out.local_port = attempt.local_port;
        }
        out.flags |= connect_flag::REMOTE_FROM_KERNEL;
    }
    // SAFETY: the helper has no preconditions.
    attempt.reported != 0 && attempt.pid_tgid == unsafe { bpf_get_current_pid_tgid() }
}

#[inline(always)]
fn mark_reported(sock: u64) {
    if let Some(attempt) = ATTEMPTS.get_ptr_mut(&sock) {
        // SAFETY: a value of the map, which outlives this program's run.
        unsafe { (*attempt).reported = 1 }
    }
}

/// Whether the family and the remote end are wanted.
#[inline(always)]
fn wanted_family(settings: &Settings, out: &Connect) -> bool {
    let mut family = out.family;
    if family == 0 {
        family = out.given_family;
    }
    if family == AF_INET || family == AF_INET6 {
        let loopback = if out.remote_port == 0 {
            is_loopback(out.given_family, &out.given)
        } else {
            is_loopback(family, &out.remote)
        };
        return !loopback || settings.wants & want::LOOPBACK != 0;
    }
    if family == AF_UNIX {
        return settings.wants & want::UNIX != 0;
    }
    settings.wants & want::OTHER_FAMILIES != 0
}

/// Reads the address that the caller gave.
#[inline(always)]
fn given(out: &mut Connect, call: &Call) {
    let Some(family) = uread::<u16>(call.address) else {
        out.flags |= connect_flag::GIVEN_UNREADABLE;
        return;
    };
    if call.len < 2 {
        return;
    }
    out.given_family = family;
    if family == AF_INET && call.len >= 8 {
        let Some(bytes) = uread::<[u8; 8]>(call.address) else {
            out.flags |= connect_flag::GIVEN_UNREADABLE;
            return;
        };
        out.given_port = u16::from_be_bytes([bytes[2], bytes[3]]);
        out.given[0] = bytes[4];
        out.given[1] = bytes[5];
        out.given[2] = bytes[6];
        out.given[3] = bytes[7];
    } else if family == AF_INET6 && call.len >= 24 {
        let port = uread::<u16>(call.address + 2);
        let address = uread::<[u8; 16]>(call.address + 8);
        if let (Some(port), Some(address)) = (port, address) {
            out.given_port = u16::from_be(port);
            out.given = address;
        } else {
            out.flags |= connect_flag::GIVEN_UNREADABLE;
        }
    }
}

/// Who does it.
#[derive(Clone, Copy)]
struct Who {
    image: Image,
    node: u64,
    cgroup: CgroupKey,
}

/// Who does it; none (and counted) if that process is not wanted.
#[inline(always)]
fn who(task: u64, settings: &Settings) -> Option<Who> {
    let tgid: u32 = kread(task + off!(task_tgid));
    let leader: u64 = kread(task + off!(task_group_leader));
    let image = image_of(tgid, leader);
    let node = cgroup::node_of(task);
    let cgroup = cgroup::key_of(node);
    filter::wanted(settings, Kind::Connect, image.marked != 0, &cgroup).then_some(Who {
        image,
        node,
        cgroup,
    })
}

#[inline(always)]
fn scratch(map: &'static Array<HeadScratch>) -> Option<&'static mut LargeExecScratch> {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let pointer = map.get_ptr_mut(cpu)?;
    // SAFETY: the program does not interrupt itself on a CPU; nothing behind the
    // head is touched, to which the verifier holds it.
    Some(unsafe { &mut *pointer.cast() })
}

#[inline(always)]
fn emit(record: &mut LargeExecScratch, task: u64, who: &Who, settings: &Settings, call: &Call) {
    task::fill(record, task, &who.image, who.cgroup, settings.ancestors);
    let start = record.position();
    if cgroup::append_names(record, who.node) {
        record.task.flags |= task_flag::CGROUP_COMPLETE;
    }
    record.task.cgroup_len = (record.position() - start) as u32;
    let start = record.position();
    if record.connect().given_family == AF_UNIX && call.len > 2 && start <= HEAD - PATH_MAX as usize
    {
        let mut len = call.len - 2;
        if len > PATH_MAX {
            len = PATH_MAX;
        }
        // SAFETY: `start + PATH_MAX` is in `data`.
        let failed = unsafe {
            bpf_probe_read_user(
                record.data.as_mut_ptr().add(start).cast(),
                len as u32,
                (call.address + 2) as *const _,
            )
        };
        if failed == 0 {
            record.set_position(start + len as usize);
            record.connect().path_len = len as u32;
        }
    }
    if record.connect().flags & connect_flag::GIVEN_UNREADABLE != 0 {
        count(Kind::Connect, Counter::Unreadable);
    }
    record.submit_at_most(Kind::Connect, HEAD);
}

/// `inet_sock_set_state(sk, oldstate, newstate)`. At SYN_SENT the current task
/// is the one that connects.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn sock_state(ctx: BtfTracePointContext) -> i32 {
    let _ = ctx.as_ptr();
    let new: i32 = ctx.arg(2);
    if new != SYN_SENT {
        return 0;
    }
    let sock: u64 = ctx.arg(0);
    let task = current_task();
    let Some(settings) = filter::settings() else {
        return 0;
    };
    if has_exit(task, settings) {
        remember(sock);
    } else {
        attempted(task, sock, settings);
    }
    0
}

/// Keeps both ends of an attempt until its system call ends.
#[inline(always)]
fn remember(sock: u64) {
    let Some(record) = scratch(&SCRATCH_ATTEMPT) else {
        return;
    };
    let ends = record.connect();
    ends.family = 0;
    fill(ends, sock);
    let attempt = Attempt {
        local: ends.local,
        remote: ends.remote,
        // SAFETY: the helper has no preconditions.
        pid_tgid: unsafe { bpf_get_current_pid_tgid() },
        local_port: ends.local_port,
        remote_port: ends.remote_port,
        family: ends.family,
        reported: 0,
    };
    let _ = ATTEMPTS.insert(&sock, &attempt, 0);
}

/// Whether the attempt's system call will be seen at its exit.
#[inline(always)]
fn has_exit(task: u64, settings: &Settings) -> bool {
    let flags: u32 = kread(task + off!(task_flags));
    if flags & PF_IO_WORKER != 0 {
        return false;
    }
    let regs = Regs::current().of(task);
    let syscall = regs.syscall();
    if regs.compat {
        settings.wants & want::RAW != 0
            && (syscall == number::COMPAT_CONNECT
                || (syscall == number::COMPAT_SOCKETCALL && regs.argument(0) == SOCKETCALL_CONNECT))
    } else {
        syscall == number::CONNECT
    }
}

/// An attempt that no exit of `connect` will tell of.
#[inline(always)]
fn attempted(task: u64, sock: u64, settings: &Settings) {
    count(Kind::Connect, Counter::Seen);
    if settings.wants & want::CONNECT == 0 {
        count(Kind::Connect, Counter::FilteredOther);
        return;
    }
    let Some(who) = who(task, settings) else {
        return;
    };
    let socket: u64 = kread(sock + off!(sock_socket));
    let file: u64 = kread(socket + off!(socket_file));
    let inode: u64 = kread(file + off!(file_f_inode));
    let Some(record) = scratch(&SCRATCH_ATTEMPT) else {
        count(Kind::Connect, Counter::NoScratch);
        return;
    };
    record.begin(Kind::Connect);
    let target = Descriptor {
        file,
        sock,
        inode: kread(inode + off!(inode_i_ino)),
        socket_type: kread(socket + off!(socket_type)),
    };
    let out = record.connect();
    begin(out, EINPROGRESS, -1, &target);
    out.flags = connect_flag::NO_SYSCALL | connect_flag::REMOTE_FROM_KERNEL;
    fill(out, sock);
    if !wanted_family(settings, out) {
        count(Kind::Connect, Counter::FilteredOther);
        return;
    }
    let nothing = Call {
        fd: -1,
        address: 0,
        len: 0,
        result: EINPROGRESS,
        compat: false,
    };
    emit(record, task, &who, settings, &nothing);
}
