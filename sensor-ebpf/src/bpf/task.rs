//! The process that caused an event: its task and its ancestors.

use aya_ebpf::helpers::generated::bpf_get_current_pid_tgid;
use sensor_ebpf::{ABSENT, ANCESTORS_MAX, Ancestor, CgroupKey, Image, Settings, task_flag};

use super::{
    figures,
    kernel::{kread, load, off},
    lineage::image_of,
    record::Record,
};

/// `PIDTYPE_PGID` and `PIDTYPE_SID` of the kernel, since 4.19.
const PIDTYPE_PGID: u64 = 2;
const PIDTYPE_SID: u64 = 3;
/// `PF_IO_WORKER`, `PF_KTHREAD` of include/linux/sched.h.
const PF_IO_WORKER: u32 = 0x10;
const PF_KTHREAD: u32 = 0x0020_0000;
/// `PROC_PID_INIT_INO` of include/linux/proc_ns.h.
const INITIAL_PID_NS_INODE: u32 = 0xefff_fffc;

/// A pid namespace and its depth.
#[derive(Clone, Copy)]
struct PidNs {
    level: u32,
    ns: u64,
}

/// Address of `pid->numbers[level]`.
#[inline(always)]
fn upid(pid: u64, level: u32) -> u64 {
    let size = off!(upid_ns) + 8;
    pid + off!(pid_numbers) + u64::from(level) * size
}

/// Number of a pid in the initial namespace.
#[inline(always)]
fn nr(pid: u64) -> u32 {
    kread(upid(pid, 0) + off!(upid_nr))
}

/// Number of a pid in a namespace; 0 if the pid has no number there.
#[inline(always)]
fn nr_in(pid: u64, at: PidNs) -> u32 {
    let level: u32 = load(pid + off!(pid_level));
    let upid = upid(pid, at.level);
    let ns: u64 = kread(upid + off!(upid_ns));
    let nr: u32 = kread(upid + off!(upid_nr));
    if level >= at.level && ns == at.ns {
        nr
    } else {
        0
    }
}

/// Number of the controlling terminal, as `new_encode_dev` of the kernel makes it.
#[inline(always)]
fn tty_of(signal: u64) -> u32 {
    let tty: u64 = load(signal + off!(signal_tty));
    if tty == 0 {
        return 0;
    }
    let driver: u64 = load(tty + off!(tty_driver));
    let major: u32 = load(driver + off!(tty_driver_major));
    let first: u32 = load(driver + off!(tty_driver_minor_start));
    let index: u32 = load(tty + off!(tty_index));
    let minor = first + index;
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// An optional 32-bit member of a task; all ones where the kernel has none.
#[inline(always)]
fn optional(task: u64, offset: u64) -> u32 {
    if offset == u64::from(ABSENT) {
        u32::MAX
    } else {
        load(task + offset)
    }
}

/// Fills the fixed part of a record's task and appends the ancestors.
#[inline(always)]
pub fn fill<Fixed>(
    record: &mut Record<Fixed>,
    task: u64,
    image: &Image,
    cgroup: CgroupKey,
    settings: &Settings,
) {
    // SAFETY: the helper has no preconditions.
    let pid_tgid = unsafe { bpf_get_current_pid_tgid() };
    let leader: u64 = load(task + off!(task_group_leader));
    let parent: u64 = load(task + off!(task_real_parent));
    let signal: u64 = load(task + off!(task_signal));
    let cred: u64 = load(task + off!(task_cred));
    let nsproxy: u64 = load(task + off!(task_nsproxy));
    let mnt_ns: u64 = load(nsproxy + off!(nsproxy_mnt_ns));
    let net_ns: u64 = load(nsproxy + off!(nsproxy_net_ns));
    let user_ns: u64 = load(cred + off!(cred_user_ns));

    let pids = signal + off!(signal_pids);
    let thread: u64 = load(task + off!(task_thread_pid));
    let group: u64 = load(leader + off!(task_thread_pid));
    let pgrp: u64 = load(pids + 8 * PIDTYPE_PGID);
    let session: u64 = load(pids + 8 * PIDTYPE_SID);
    let level: u32 = load(thread + off!(pid_level));
    let ns: u64 = kread(upid(thread, level) + off!(upid_ns));
    let here = PidNs { level, ns };
    let reaper: u64 = kread(ns + off!(pid_ns_child_reaper));
    let pid_ns: u32 = kread(ns + off!(pid_ns_inum));

    let task_flags: u32 = load(task + off!(task_flags));
    let mut flags = 0;
    if task_flags & PF_IO_WORKER != 0 {
        flags |= task_flag::IO_WORKER;
    }
    if task_flags & PF_KTHREAD != 0 {
        flags |= task_flag::KERNEL_THREAD;
    }
    if pid_ns == INITIAL_PID_NS_INODE {
        flags |= task_flag::INITIAL_PID_NS;
    }

    let watched = record.watched() != 0;
    let out = &mut record.task;
    out.start = load(leader + off!(task_start_boottime));
    out.image_time = image.time;
    out.image_start = image.start;
    out.image_tgid = image.tgid;
    out.tgid = (pid_tgid >> 32) as u32;
    out.tid = pid_tgid as u32;
    out.ppid = load(parent + off!(task_tgid));
    out.vtgid = nr_in(group, here);
    out.vtid = nr_in(thread, here);
    out.pgid = nr(pgrp);
    out.vpgid = nr_in(pgrp, here);
    out.sid = nr(session);
    out.vsid = nr_in(session, here);
    out.euid = load(cred + off!(cred_euid));
    out.egid = load(cred + off!(cred_egid));
    out.uid = load(cred + off!(cred_uid));
    out.gid = load(cred + off!(cred_gid));
    out.loginuid = optional(task, off!(task_loginuid));
    out.sessionid = optional(task, off!(task_sessionid));
    out.tty = tty_of(signal);
    out.flags = flags;
    out.cap_permitted = load(cred + off!(cred_cap_permitted));
    out.cap_effective = load(cred + off!(cred_cap_effective));
    out.cap_inheritable = load(cred + off!(cred_cap_inheritable));
    out.pid_ns = pid_ns;
    out.mnt_ns = kread(mnt_ns + off!(mnt_ns_inum));
    out.net_ns = kread(net_ns + off!(net_ns_inum));
    out.user_ns = kread(user_ns + off!(user_ns_inum));
    out.pid_ns_start = kread(reaper + off!(task_start_boottime));
    out.cgroup_node = cgroup.node;
    out.cgroup_id = cgroup.id;
    out.comm = kread(leader + off!(task_comm));
    figures::fill(&mut out.figures, settings, watched, task);
    // Observers want all of them.
    let most = if record.watched() != 0 {
        ANCESTORS_MAX as u32
    } else {
        settings.ancestors
    };
    append_ancestors(record, parent, session, most);
}

/// Appends the ancestors, nearest first, from `first` on.
#[inline(always)]
fn append_ancestors<Fixed>(record: &mut Record<Fixed>, first: u64, session: u64, most: u32) {
    let mut task = first;
    let mut n = 0;
    for i in 0..ANCESTORS_MAX {
        let tgid: u32 = load(task + off!(task_tgid));
        if tgid == 0 {
            record.task.flags |= task_flag::LINEAGE_COMPLETE;
            break;
        }
        if i as u32 >= most {
            break;
        }
        let leader: u64 = load(task + off!(task_group_leader));
        let signal: u64 = load(leader + off!(task_signal));
        let its_session: u64 = load(signal + off!(signal_pids) + 8 * PIDTYPE_SID);
        let pid: u64 = load(leader + off!(task_thread_pid));
        let level: u32 = load(pid + off!(pid_level));
        let image = image_of(tgid, leader);
        let ancestor = Ancestor {
            start: load(leader + off!(task_start_boottime)),
            image_time: image.time,
            image_start: image.start,
            image_tgid: image.tgid,
            tgid,
            vtgid: kread(upid(pid, level) + off!(upid_nr)),
            flags: if its_session == session {
                task_flag::SAME_SESSION
            } else {
                0
            },
            comm: kread(leader + off!(task_comm)),
        };
        // SAFETY: `ANCESTORS_MAX` ancestors fit into the head of `data`; the
        // map's values are aligned to 8 bytes and so is everything before `data`.
        unsafe {
            record
                .data
                .as_mut_ptr()
                .cast::<Ancestor>()
                .add(i)
                .write_unaligned(ancestor);
        }
        n = i + 1;
        task = load(leader + off!(task_real_parent));
    }
    let len = n * size_of::<Ancestor>();
    record.task.ancestors_len = len as u32;
    record.set_position(len);
}
