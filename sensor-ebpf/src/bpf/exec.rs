//! Successful execs, at `sched_process_exec`: the kernel has set up the new program's memory, and
//! no other process can change it yet.

use aya_ebpf::{
    helpers::generated::{bpf_get_smp_processor_id, bpf_probe_read_kernel_str},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use sensor_ebpf::{
    ABSENT, ARGV_LIMIT_DEFAULT, BackedUp, CWD_MAX, CgroupKey, Counter, EXE_MAX, Exec, FILENAME_MAX,
    Image, Kind, Settings, exec_flag, task_flag,
};

use super::{
    cgroup,
    count::count,
    filter,
    kernel::{ARGV_CAPACITY, kread, load, off},
    lineage::{image_of, set_image},
    maps::{SCRATCH_EXEC, SCRATCH_EXEC_LARGE, element},
    path::{End, append_path},
    preempt::program,
    record::{HEAD, LargeExecScratch},
    strings::{append_argv, append_env},
    task,
};

/// `OVERLAYFS_SUPER_MAGIC` of include/uapi/linux/magic.h.
const OVERLAYFS: u64 = 0x794c_7630;

program! {
    /// `sched_process_exec(task, old_pid, bprm)`.
    #[btf_tracepoint(function = "sched_process_exec")]
    (process_exec, exec_backup)(ctx: BtfTracePointContext, copy) -> i32 {
        copy.run(BackedUp::Exec, || exec(ctx.arg(0), ctx.arg(2)));
    }
}

/// Whether the process is a child of the sensor, as the helper of the self-test is.
#[inline(always)]
fn is_of_self_test(task: u64, settings: &Settings) -> bool {
    if settings.marker == 0 {
        return false;
    }
    let parent: u64 = load(task + off!(task_real_parent));
    let parent: u32 = load(parent + off!(task_tgid));
    parent == settings.marker
}

#[inline(always)]
fn exec(task: u64, bprm: u64) {
    count(Kind::Exec, Counter::Seen);
    let Some(settings) = filter::settings() else {
        return;
    };
    let tgid: u32 = load(task + off!(task_tgid));
    let leader: u64 = load(task + off!(task_group_leader));
    let old = image_of(tgid, leader);
    // SAFETY: the helper has no preconditions.
    let now = unsafe { aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns() };
    let image = Image {
        time: now,
        start: load(leader + off!(task_start_boottime)),
        tgid,
        marked: old.marked,
    };
    set_image(tgid, &image);

    let node = cgroup::node_of(task);
    let key = cgroup::key_of(node);
    let wanted = if is_of_self_test(task, settings) {
        filter::RULES
    } else {
        wanted(settings, &image, &key)
    };
    if wanted == 0 {
        #[cfg(feature = "log")]
        super::log::exec_unwanted(tgid);
        return;
    }
    #[cfg(feature = "log")]
    super::log::exec_wanted(tgid);
    let capacity = ARGV_CAPACITY.load();
    let Some(record) = scratch(capacity) else {
        filter::count_lost(Kind::Exec, wanted, Counter::NoScratch);
        return;
    };
    record.set_wanted(wanted);
    let mm: u64 = load(task + off!(task_mm));
    record.fixed = Exec::default();
    // SAFETY: a plain read of a member, volatile so that the limit is read again below: with the
    // limit in a register, the verifier would check all code in between once for no limit and once
    // for any.
    let limit = unsafe { core::ptr::read_volatile(&raw const settings.env_limit) };
    // The environments of processes are for rules alone.
    if limit > 0 && record.watched() == 0 {
        record.send_environment(image, &key, environment(mm), limit);
    }
    record.begin(Kind::Exec);
    record.header.time = now;
    record.fixed.exec_id = exec_id(task);
    task::fill(record, task, &image, key, settings);

    let start = record.position();
    if cgroup::append_names(record, node) {
        record.task.flags |= task_flag::CGROUP_COMPLETE;
    }
    record.task.cgroup_len = (record.position() - start) as u32;

    let file: u64 = load(mm + off!(mm_exe_file));
    let facts = file_facts(&mut record.fixed, file);
    record.add_exec_flags(facts);

    append_exe(record, file);
    append_cwd(record, task);

    let start = record.position();
    let filename: u64 = load(bprm + off!(bprm_filename));
    append_filename(record, filename);
    record.fixed.filename_len = (record.position() - start) as u32;

    let argv_start: u64 = load(mm + off!(mm_arg_start));
    let argv_end: u64 = load(mm + off!(mm_arg_end));
    let argv = append_argv(record, argv_start, argv_end, settings.argv_limit, capacity);
    record.fixed.argv_size = argv_end.wrapping_sub(argv_start);
    record.fixed.argv_len = argv.len;
    if argv.truncated {
        record.fixed.flags |= exec_flag::ARGV_TRUNCATED;
        record.count_incomplete(Kind::Exec, Counter::Truncated);
    }
    if argv.unreadable {
        record.fixed.flags |= exec_flag::ARGV_UNREADABLE;
        record.count_incomplete(Kind::Exec, Counter::Unreadable);
    }
    if settings.env_limit > 0 && record.watched() != 0 {
        record.fixed.flags |= exec_flag::ENV_TRUNCATED;
    } else if settings.env_limit > 0 {
        let (start, end) = environment(mm);
        let captured = append_env(record, start, end, settings.env_limit, capacity);
        record.fixed.env_size = end.wrapping_sub(start);
        record.fixed.env_len = captured.len;
        let in_parts = record.exec_flags() & exec_flag::ENV_IN_PARTS != 0;
        if captured.unreadable || captured.truncated && !in_parts {
            record.fixed.flags |= exec_flag::ENV_TRUNCATED;
            record.count_incomplete(Kind::Exec, Counter::EnvironmentCut);
        }
    }
    if record.exec_flags() & PATHS_COMPLETE != PATHS_COMPLETE {
        record.count_incomplete(Kind::Exec, Counter::PathIncomplete);
    }
    record.submit(Kind::Exec, capacity);
}

/// See [`Exec::exec_id`].
#[inline(always)]
pub fn exec_id(task: u64) -> u32 {
    let offset = off!(task_self_exec_id);
    if offset == u64::from(ABSENT) {
        return 0;
    }
    load(task + offset)
}

/// Where the environment of an address space begins and ends.
#[inline(always)]
fn environment(mm: u64) -> (u64, u64) {
    (load(mm + off!(mm_env_start)), load(mm + off!(mm_env_end)))
}

/// Who wants an exec, see [`filter::wanted`]; counts the exec if nobody does.
#[inline(always)]
fn wanted(settings: &Settings, image: &Image, key: &CgroupKey) -> u32 {
    if !filter::has(settings.kinds, Kind::Exec) {
        count(Kind::Exec, Counter::FilteredOther);
        return 0;
    }
    filter::wanted(settings, Kind::Exec, image.marked != 0, key)
}

/// Returns this CPU's scratch memory: from the larger map if argv may exceed the default.
#[inline(always)]
fn scratch(capacity: u32) -> Option<&'static mut LargeExecScratch> {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let pointer = if capacity > ARGV_LIMIT_DEFAULT {
        element(&SCRATCH_EXEC_LARGE, cpu)?
    } else {
        element(&SCRATCH_EXEC, cpu)?.cast()
    };
    // SAFETY: this program does not interrupt itself on a CPU. The smaller scratch is used as the
    // larger one: the program touches nothing beyond `capacity`, and the verifier enforces that
    // bound.
    Some(unsafe { &mut *pointer.as_ptr() })
}

/// The flags of a record whose two paths are both complete. The program reads the flags at the end
/// and from the record: flags in registers would make the verifier check all code in between once
/// for each value.
pub const PATHS_COMPLETE: u32 = exec_flag::EXE_COMPLETE | exec_flag::CWD_COMPLETE;

/// Appends the path of the executable.
#[inline(always)]
pub fn append_exe(record: &mut LargeExecScratch, file: u64) {
    let start = record.position();
    match append_path(record, file + off!(file_f_path), None, EXE_MAX) {
        End::Root => record.fixed.flags |= exec_flag::EXE_COMPLETE,
        End::Nameless => record.fixed.flags |= exec_flag::EXE_COMPLETE | exec_flag::MEMFD,
        End::Incomplete => {}
    }
    record.fixed.exe_len = (record.position() - start) as u32;
}

/// Appends the working directory.
#[inline(always)]
pub fn append_cwd(record: &mut LargeExecScratch, task: u64) {
    let fs: u64 = load(task + off!(task_fs));
    let start = record.position();
    let end = append_path(record, fs + off!(fs_pwd), Some(fs + off!(fs_root)), CWD_MAX);
    record.fixed.cwd_len = (record.position() - start) as u32;
    if end == End::Root {
        record.fixed.flags |= exec_flag::CWD_COMPLETE;
    }
}

/// Appends the path given to exec, from kernel memory, without its NUL.
#[inline(always)]
fn append_filename(record: &mut LargeExecScratch, filename: u64) {
    let at = record.position();
    if at > HEAD - FILENAME_MAX {
        return;
    }
    // SAFETY: `at + FILENAME_MAX` is in `data`.
    let n = unsafe {
        bpf_probe_read_kernel_str(
            record.data.as_mut_ptr().add(at).cast(),
            FILENAME_MAX as u32,
            filename as *const _,
        )
    };
    if n > 1 {
        record.set_position(at + n as usize - 1);
    }
}

/// Fills in the facts of the executed file, and returns its flags.
#[inline(always)]
pub fn file_facts(out: &mut Exec, file: u64) -> u32 {
    let inode: u64 = load(file + off!(file_f_inode));
    let mut flags = 0;
    out.exe_ino = load(inode + off!(inode_i_ino));
    out.exe_uid = load(inode + off!(inode_i_uid));
    out.exe_gid = load(inode + off!(inode_i_gid));
    let mode: u16 = load(inode + off!(inode_i_mode));
    out.exe_mode = u32::from(mode);
    out.exe_ctime = time(
        inode + off!(inode_ctime_sec),
        inode + off!(inode_ctime_nsec),
    );
    out.exe_mtime = time(
        inode + off!(inode_mtime_sec),
        inode + off!(inode_mtime_nsec),
    );
    let nlink: u32 = load(inode + off!(inode_i_nlink));
    if nlink == 0 {
        flags |= exec_flag::DELETED;
    }
    let sb: u64 = load(inode + off!(inode_i_sb));
    let magic: u64 = load(sb + off!(sb_s_magic));
    if magic == OVERLAYFS {
        if off!(ovl_inode_upper) == u64::from(ABSENT) {
            flags |= exec_flag::LAYER_UNKNOWN;
        } else {
            let ovl = inode - off!(ovl_inode_vfs);
            let upper: u64 = kread(ovl + off!(ovl_inode_upper));
            flags |= if upper == 0 {
                exec_flag::LOWER_LAYER
            } else {
                exec_flag::UPPER_LAYER
            };
        }
    }
    flags
}

/// `I_CTIME_QUERIED` of include/linux/fs.h, since 6.13: a bit that the kernel sets in the
/// nanoseconds of a ctime after a process has queried the ctime.
const CTIME_QUERIED: u32 = 1 << 31;

#[inline(always)]
fn time(sec: u64, nsec: u64) -> u64 {
    let sec: u64 = load(sec);
    let nsec: u32 = load(nsec);
    sec.wrapping_mul(1_000_000_000) + u64::from(nsec & !CTIME_QUERIED)
}
