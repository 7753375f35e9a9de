//! TCP connection attempts, seen when the socket's state changes to SYN_SENT.
//!
//! For a call of `connect` the program at this hook saves the destination, because the socket of a
//! failed attempt has lost the destination by the exit of the call. An attempt without such a call
//! (io_uring, TCP fast open, a 32-bit call while only perf's tracepoints are hooked) becomes an
//! event here.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_current_pid_tgid, macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use sensor_ebpf::{Attempt, BackedUp, Connect, Counter, Kind, Settings, connect_flag, want};

use super::{
    connect::{begin, caller, emit, of_family, scratch, to_remote},
    count::count,
    filter,
    given::{Call, is_compat_connect, is_connect},
    kernel::{Typed, current_task, kread, load, off},
    maps::{ATTEMPTS, SCRATCH_ATTEMPT},
    preempt::program,
    regs::Regs,
    socket::{Descriptor, fill, is_loopback},
};

/// `TCP_SYN_SENT` of include/net/tcp_states.h.
const SYN_SENT: i32 = 2;
/// `IPPROTO_TCP`, `IPPROTO_MPTCP`.
const TCP: u16 = 6;
const MPTCP: u16 = 262;
/// `ERESTARTSYS` … `ERESTART_RESTARTBLOCK`: a signal interrupted the call.
const RESTART: core::ops::RangeInclusive<i64> = -516..=-512;
/// The attempt goes on.
pub const EINPROGRESS: i64 = -115;
/// The kernel found no free local port.
const EADDRNOTAVAIL: i64 = -99;
/// `PF_IO_WORKER`, `PF_KTHREAD`: threads that never run in user space.
const PF_IN_KERNEL: u32 = 0x10 | 0x0020_0000;

program! {
    /// `inet_sock_set_state(sk, oldstate, newstate)`. At SYN_SENT the current task is the one that
    /// connects.
    #[btf_tracepoint(function = "inet_sock_set_state")]
    (sock_state, sock_backup)(ctx: BtfTracePointContext, copy) -> i32 {
        let _ = ctx.as_ptr();
        let new: i32 = ctx.arg(2);
        if new == SYN_SENT {
            copy.run(BackedUp::SockState, || begins(ctx.arg(0)));
        }
    }
}

/// The current task begins an attempt.
#[inline(always)]
fn begins(sock: u64) {
    let task = current_task();
    let Some(settings) = filter::settings() else {
        return;
    };
    if has_exit(task, settings) {
        if filter::has(settings.kinds, Kind::Connect)
            && (settings.wants | settings.watched_wants) & want::INET != 0
            && filter::may_be_wanted(settings, Kind::Connect, task)
            && (filter::is_watched(settings, Kind::Connect)
                || filter::wanted_name(settings, load(task + off!(task_group_leader))))
        {
            remember(sock, settings);
        }
    } else {
        attempted(task, sock, settings);
    }
}

/// Saves both endpoints of an attempt until its system call ends.
#[inline(always)]
fn remember(sock: u64, settings: &Settings) {
    let Some(record) = scratch(&SCRATCH_ATTEMPT) else {
        return;
    };
    let endpoints = &mut record.fixed;
    endpoints.family = 0;
    fill::<Typed>(endpoints, sock);
    let wants = settings.wants | settings.watched_wants;
    if wants & want::LOOPBACK == 0 && is_loopback(endpoints.family, &endpoints.remote) {
        return;
    }
    let attempt = Attempt {
        local: endpoints.local,
        remote: endpoints.remote,
        inode: 0,
        // SAFETY: the helper has no preconditions.
        pid_tgid: unsafe { bpf_get_current_pid_tgid() },
        local_port: endpoints.local_port,
        remote_port: endpoints.remote_port,
        family: endpoints.family,
        reported: 0,
    };
    let _ = ATTEMPTS.insert(&sock, &attempt, 0);
}

/// At the exit of the call: copies the saved endpoints of its attempt into the record, and removes
/// them from the map. Returns false if the attempt has already been reported, or will be reported
/// later.
#[inline(always)]
pub fn settle(out: &mut Connect, target: &Descriptor) -> bool {
    let goes_on = RESTART.contains(&out.result);
    let mut reported = false;
    if out.protocol == TCP || out.protocol == MPTCP {
        if let Some(attempt) = ATTEMPTS.get_ptr_mut(&target.sock) {
            // SAFETY: the pointer leads to a value of the map, which outlives this run of the
            // program; only the thread that connects uses that value.
            let attempt = unsafe { &mut *attempt };
            // SAFETY: the helper has no preconditions.
            let same_thread = attempt.pid_tgid == unsafe { bpf_get_current_pid_tgid() };
            if same_thread && attempt.reported == 0 {
                begun(out, attempt, target.sock);
                if goes_on && i32::from(out.state) == SYN_SENT {
                    attempt.reported = 1;
                    attempt.inode = target.inode;
                    out.result = EINPROGRESS;
                    out.flags |= connect_flag::INTERRUPTED;
                    return true;
                }
            } else if same_thread {
                // The kernel may have given the same memory to another socket meanwhile.
                reported = attempt.inode == target.inode;
            }
            if !goes_on || !reported {
                let _ = ATTEMPTS.remove(&target.sock);
            }
        }
    }
    // An interrupted call with `reported` set is a restart, whose attempt is an event already. Any
    // other interrupted call has begun nothing, and its caller repeats the call.
    !reported && !goes_on
}

/// Fills in what the socket no longer holds of the attempt that this call began.
#[inline(always)]
fn begun(out: &mut Connect, attempt: &Attempt, sock: u64) {
    out.flags |= connect_flag::BEGUN;
    if out.remote_port == 0 {
        out.flags |= connect_flag::REMOTE_FROM_KERNEL;
        out.remote = attempt.remote;
        out.remote_port = attempt.remote_port;
        out.local = attempt.local;
        if out.local_port == 0 {
            out.local_port = attempt.local_port;
        }
    }
    if out.local_port == 0 && out.result != EADDRNOTAVAIL {
        // The kernel takes back a port that it chose when the attempt fails (also an attempt that
        // goes on for its caller: the refusal may arrive before the call's exit). The socket keeps
        // the port's number until the kernel chooses the next one (`__inet_put_port`).
        let port: u16 = kread(sock + off!(inet_sport));
        out.local_port = u16::from_be(port);
    }
}

/// Whether the exit hook of `connect` sees the attempt's system call.
#[inline(always)]
fn has_exit(task: u64, settings: &Settings) -> bool {
    let flags: u32 = load(task + off!(task_flags));
    if flags & PF_IN_KERNEL != 0 {
        return false;
    }
    let regs = Regs::current().of(task);
    if regs.compat {
        settings.wants & want::COMPAT != 0 && is_compat_connect(&regs)
    } else {
        is_connect(&regs)
    }
}

/// Reports an attempt that no exit of `connect` reports.
#[inline(always)]
fn attempted(task: u64, sock: u64, settings: &Settings) {
    let protocol: u16 = load(sock + off!(sock_protocol));
    if protocol == MPTCP {
        return; // its first subflow is a TCP socket, which comes next
    }
    count(Kind::Connect, Counter::Seen);
    if !filter::has(settings.kinds, Kind::Connect) {
        count(Kind::Connect, Counter::FilteredOther);
        return;
    }
    let Some(caller) = caller(task, settings) else {
        return;
    };
    let socket: u64 = kread(sock + off!(sock_socket));
    let file: u64 = kread(socket + off!(socket_file));
    let inode: u64 = kread(file + off!(file_f_inode));
    let Some(record) = scratch(&SCRATCH_ATTEMPT) else {
        filter::count_lost(Kind::Connect, caller.wanted, Counter::NoScratch);
        return;
    };
    record.begin(Kind::Connect);
    let target = Descriptor {
        file,
        sock,
        inode: kread(inode + off!(inode_i_ino)),
        socket_type: kread(socket + off!(socket_type)),
    };
    let out = &mut record.fixed;
    begin(out, EINPROGRESS, -1, &target);
    out.flags = connect_flag::NO_SYSCALL | connect_flag::REMOTE_FROM_KERNEL | connect_flag::BEGUN;
    fill::<Typed>(out, sock);
    let wanted = of_family(settings, caller.wanted, out.family);
    let wanted = to_remote(settings, wanted, out);
    let nothing = Call {
        fd: -1,
        address: 0,
        len: 0,
        result: EINPROGRESS,
        compat: false,
    };
    emit(record, task, &caller, settings, &nothing, 0, wanted);
}
