//! Falco's fields, event types and sources that this sensor does not have.
//!
//! A rule that uses such a name is valid, but can never match here (or not in all cases). A name
//! that is neither here nor in the registry is a spelling mistake.

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Argument, ArgumentKind, Classes, Context, Field, Needs, Type, Value};

const fn foreign(name: &'static str) -> Field {
    let doc = "Known to Falco, not available in this sensor.";
    Field {
        argument: ArgumentKind::OptionalName,
        classes: Classes::NONE,
        ..Field::new(name, Type::String, Needs::NOTHING, doc, absent)
    }
}

fn absent<'a>(_: &Context<'a>, _: &Argument) -> Value<'a> {
    Value::Absent
}

/// Falco's field of that name. Call this only for names that are not in the registry.
pub(super) fn find(name: &str) -> Option<&'static Field> {
    static BY_NAME: LazyLock<FxHashMap<&'static str, &'static Field>> =
        LazyLock::new(|| FIELDS.iter().map(|field| (field.name, field)).collect());
    BY_NAME.get(name).copied().or_else(|| {
        if let Some(field) = argument(name) {
            return Some(field);
        }
        let (class, rest) = name.split_once('.')?;
        let ends_well = rest.ends_with(|c: char| c.is_ascii_alphanumeric());
        let index = CLASSES.iter().position(|known| *known == class)?;
        ends_well.then(|| &OF_CLASS[index])
    })
}

/// `evt.arg.NAME` of an argument that only other system calls have.
fn argument(name: &str) -> Option<&'static Field> {
    static NAMES: LazyLock<FxHashSet<&'static str>> =
        LazyLock::new(|| ARGUMENTS.split_ascii_whitespace().collect());
    let (index, argument) = ["evt.arg.", "evt.rawarg."]
        .iter()
        .enumerate()
        .find_map(|(index, prefix)| Some((index, name.strip_prefix(prefix)?)))?;
    NAMES.contains(argument).then(|| &OF_ARGUMENT[index])
}

/// Falco's fields of system calls.
pub(super) fn all() -> impl Iterator<Item = &'static Field> {
    FIELDS.iter()
}

/// Whether Falco has an event type of that name, this sensor's own included.
pub(super) fn is_event_type(name: &str) -> bool {
    static SET: LazyLock<FxHashSet<&'static str>> = LazyLock::new(|| event_types().collect());
    SET.contains(name)
}

/// Falco's event types, this sensor's own included.
pub(super) fn event_types() -> impl Iterator<Item = &'static str> {
    EVENT_TYPES.split_ascii_whitespace()
}

/// Classes of fields that plugins bring. Any name in these classes is valid.
const CLASSES: [&str; 21] = [
    "ka",
    "jevt",
    "json",
    "ct",
    "github",
    "okta",
    "gcp",
    "gke",
    "azure",
    "gitlab",
    "keycloak",
    "al",
    "kafka",
    "salesforce",
    "box",
    "dummy",
    "krsi",
    "anomaly",
    "nomad",
    "collector",
    "mesos",
];

static OF_CLASS: [Field; 21] = [
    foreign("ka.*"),
    foreign("jevt.*"),
    foreign("json.*"),
    foreign("ct.*"),
    foreign("github.*"),
    foreign("okta.*"),
    foreign("gcp.*"),
    foreign("gke.*"),
    foreign("azure.*"),
    foreign("gitlab.*"),
    foreign("keycloak.*"),
    foreign("al.*"),
    foreign("kafka.*"),
    foreign("salesforce.*"),
    foreign("box.*"),
    foreign("dummy.*"),
    foreign("krsi.*"),
    foreign("anomaly.*"),
    foreign("nomad.*"),
    foreign("collector.*"),
    foreign("mesos.*"),
];

static OF_ARGUMENT: [Field; 2] = [foreign("evt.arg.*"), foreign("evt.rawarg.*")];

macro_rules! fields {
    ($($name:literal)*) => {
        static FIELDS: &[Field] = &[$(foreign($name)),*];
    };
}

fields! {
    "evt.latency" "evt.latency.s" "evt.latency.ns" "evt.latency.human" "evt.latency.quantized"
    "evt.deltatime" "evt.deltatime.s" "evt.deltatime.ns" "evt.outputtime" "evt.dir" "evt.type.is"
    "evt.reltime" "evt.reltime.s" "evt.reltime.ns" "evt.rawtime.s" "evt.rawtime.ns"
    "evt.pluginname" "evt.plugininfo" "evt.source" "evt.is_async" "evt.asynctype" "evt.hostname"
    "evt.num" "evt.time" "evt.time.s" "evt.time.iso8601" "evt.datetime" "evt.datetime.s"
    "evt.rawtime" "evt.type" "evt.category" "evt.cpu" "evt.res" "evt.rawres" "evt.failed"
    "evt.args" "evt.arg" "evt.rawarg" "evt.info" "evt.buffer" "evt.buflen" "evt.is_io"
    "evt.is_io_read" "evt.is_io_write" "evt.io_dir" "evt.is_wait" "evt.wait_latency"
    "evt.is_syslog" "evt.count" "evt.count.error" "evt.count.error.file" "evt.count.error.net"
    "evt.count.error.memory" "evt.count.error.other" "evt.count.exit" "evt.count.procinfo"
    "evt.count.threadinfo" "evt.around" "evt.abspath" "evt.abspath.src" "evt.abspath.dst"
    "evt.buflen.in" "evt.buflen.out" "evt.buflen.file" "evt.buflen.file.in" "evt.buflen.file.out"
    "evt.buflen.net" "evt.buflen.net.in" "evt.buflen.net.out" "evt.is_open_read"
    "evt.is_open_write" "evt.is_open_exec" "evt.is_open_create" "evt.infra.docker.name"
    "evt.infra.docker.container.id" "evt.infra.docker.container.name"
    "evt.infra.docker.container.image" "evt.syscall.type" "evt.direction"

    "fd.num" "fd.type" "fd.typechar" "fd.name" "fd.directory" "fd.filename" "fd.ip" "fd.cip"
    "fd.sip" "fd.lip" "fd.rip" "fd.port" "fd.cport" "fd.sport" "fd.lport" "fd.rport" "fd.l4proto"
    "fd.sockfamily" "fd.is_server" "fd.uid" "fd.containername" "fd.containerdirectory"
    "fd.proto" "fd.cproto" "fd.sproto" "fd.lproto" "fd.rproto" "fd.net" "fd.cnet" "fd.snet"
    "fd.lnet" "fd.rnet" "fd.connected" "fd.name_changed" "fd.cip.name" "fd.sip.name"
    "fd.lip.name" "fd.rip.name" "fd.dev" "fd.dev.major" "fd.dev.minor" "fd.ino" "fd.nameraw"
    "fd.types" "fd.is_upper_layer" "fd.is_lower_layer" "fd.typechar.name" "fd.exepath"
    "fdlist.nums" "fdlist.names" "fdlist.cips" "fdlist.sips" "fdlist.cports" "fdlist.sports"
    "fs.path.name" "fs.path.nameraw" "fs.path.source" "fs.path.sourceraw" "fs.path.target"
    "fs.path.targetraw"

    "proc.pid" "proc.exe" "proc.pexe" "proc.aexe" "proc.exepath" "proc.pexepath" "proc.aexepath"
    "proc.name" "proc.pname" "proc.aname" "proc.args" "proc.cmdline" "proc.pcmdline"
    "proc.acmdline" "proc.cmdnargs" "proc.cmdlenargs" "proc.exeline" "proc.env" "proc.aenv"
    "proc.cwd" "proc.loginshellid" "proc.tty" "proc.ppid" "proc.apid" "proc.vpid" "proc.pvpid"
    "proc.sid" "proc.sname" "proc.sid.exe" "proc.sid.exepath" "proc.vpgid" "proc.vpgid.name"
    "proc.vpgid.exe" "proc.vpgid.exepath" "proc.duration" "proc.ppid.duration" "proc.pid.ts"
    "proc.ppid.ts" "proc.is_exe_writable" "proc.is_exe_upper_layer" "proc.is_exe_lower_layer"
    "proc.is_exe_from_memfd" "proc.is_sid_leader" "proc.is_vpgid_leader" "proc.exe_ino"
    "proc.exe_ino.ctime" "proc.exe_ino.mtime" "proc.exe_ino.ctime_duration_proc_start"
    "proc.exe_ino.ctime_duration_pidns_start" "proc.pidns_init_start_ts" "thread.cap_permitted"
    "thread.cap_inheritable" "thread.cap_effective" "proc.is_container_healthcheck"
    "proc.is_container_liveness_probe" "proc.is_container_readiness_probe" "proc.fdopencount"
    "proc.fdlimit" "proc.fdusage" "proc.vmsize" "proc.vmrss" "proc.vmswap" "proc.nthreads"
    "proc.nchilds" "proc.stdin.type" "proc.stdout.type" "proc.stderr.type" "proc.stdin.name"
    "proc.stdout.name" "proc.stderr.name" "proc.pgid" "proc.pgid.name" "proc.pgid.exe"
    "proc.pgid.exepath" "proc.is_pgid_leader" "proc.feed" "proc.argv" "proc.fd"
    "thread.pfmajor" "thread.pfminor" "thread.tid" "thread.ismain" "thread.vtid" "thread.nametid"
    "thread.vnametid" "thread.exectime" "thread.totexectime" "thread.cgroups" "thread.cgroup"
    "thread.cpu" "thread.cpu.user" "thread.cpu.system" "thread.vmsize" "thread.vmrss"
    "thread.vmsize.b" "thread.vmrss.b"

    "user.uid" "user.name" "user.homedir" "user.shell" "user.loginuid" "user.loginname"
    "group.gid" "group.name"
    "container.id" "container.full_id" "container.name" "container.image" "container.image.id"
    "container.image.repository" "container.image.tag" "container.image.digest" "container.type"
    "container.privileged" "container.mounts" "container.mount" "container.mount.source"
    "container.mount.dest" "container.mount.mode" "container.mount.rdwr"
    "container.mount.propagation" "container.healthcheck" "container.liveness_probe"
    "container.readiness_probe" "container.start_ts" "container.duration" "container.ip"
    "container.cni.json" "container.labels" "container.label" "container.host_pid"
    "container.host_network" "container.host_ipc" "container.info" "container.cgroups"

    "k8s.pod.name" "k8s.pod.id" "k8s.pod.uid" "k8s.pod.sandbox_id" "k8s.pod.full_sandbox_id"
    "k8s.pod.label" "k8s.pod.labels" "k8s.pod.ip" "k8s.pod.cni.json" "k8s.rc.name" "k8s.rc.id"
    "k8s.rc.label" "k8s.rc.labels" "k8s.svc.name" "k8s.svc.id" "k8s.svc.label" "k8s.svc.labels"
    "k8s.ns.name" "k8s.ns.id" "k8s.ns.label" "k8s.ns.labels" "k8s.rs.name" "k8s.rs.id"
    "k8s.rs.label" "k8s.rs.labels" "k8s.deployment.name" "k8s.deployment.id"
    "k8s.deployment.label" "k8s.deployment.labels" "k8smeta.ns.uid" "k8smeta.ns.label"
    "k8smeta.ns.labels" "k8smeta.deployment.uid" "k8smeta.deployment.label"
    "k8smeta.deployment.labels" "k8smeta.svc.name" "k8smeta.svc.uid" "k8smeta.svc.label"
    "k8smeta.svc.labels" "k8smeta.rs.label" "k8smeta.rs.labels" "k8smeta.rc.label"
    "k8smeta.rc.labels"

    "syslog.facility" "syslog.facility.str" "syslog.severity" "syslog.severity.str"
    "syslog.message" "span.id" "span.time" "span.ntags" "span.nargs" "span.tags" "span.tag"
    "span.args" "span.arg" "span.enterargs" "span.enterarg" "span.duration" "evtin.span.id"
    "evtin.span.ntags" "evtin.span.nargs" "evtin.span.tags" "evtin.span.tag" "evtin.span.args"
    "evtin.span.arg"
}

/// Arguments of Falco's events.
const ARGUMENTS: &str = "
    ID action addr arg arg2_int arg2_str args argument backlog cgroups clockid cmd comm core cpu
    cpu_sys cpu_usr cq_entries cur cwd data desc description dev dir dirfd domain dpid
    dqb_bhardlimit dqb_bsoftlimit dqb_btime dqb_curspace dqb_ihardlimit dqb_isoftlimit dqb_itime
    dqi_bgrace dqi_flags dqi_igrace egid entries env error euid event_data event_type exe
    exe_ino_ctime exe_ino_mtime fd fd1 fd2 fd_in fd_out fdin fdlimit fdout fds features filename
    flags gid how id image img in_fd initval ino interval ip json key len length level linkdirfd
    linkpath loginuid mask max maxevents min_complete mode mountfd name nativeID newcur newdir
    newdirfd newmax newpath next nr_args nsems nsops nstype offin offout offset oldcur olddir
    olddirfd oldmax oldpath op opcode operation option optlen optname out_fd path pathname peer
    pgft_maj pgft_min pgid pgoffset pid pid_fd pidns_init_start_ts pos prot proto ptid queuelen
    queuemax queuepct quota_fmt quota_fmt_out quotafilepath ratio reaper_tid request res
    res_or_fd resolve resource ret rgid ruid scope sem_flg_0 sem_flg_1 sem_num_0 sem_num_1
    sem_op_0 sem_op_1 semflg semid semnum sgid sig sigmask size source special spid sq_entries
    sq_thread_cpu sq_thread_idle status suid tags target target_fd tid timeout to_submit tty
    tuple type uargs uid val vm_rss vm_size vm_swap vpid vtid whence
";

/// System calls and Falco's own event types.
const EVENT_TYPES: &str = "
    accept accept4 access acct add_key adjtimex alarm alloc_hugepages arch_prctl bdflush bind bpf
    brk cachestat capget capset chdir chmod chown chown32 chroot clock_adjtime clock_getres
    clock_gettime clock_nanosleep clock_settime clone clone3 close close_range connect
    copy_file_range creat create_module delete_module dup dup2 dup3 epoll_create epoll_create1
    epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group
    faccessat faccessat2 fadvise64 fallocate fanotify_init fanotify_mark fchdir fchmod fchmodat
    fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr finit_module flistxattr
    flock fork free_hugepages fremovexattr fsconfig fsetxattr fsmount fsopen fspick fstat fstat64
    fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_wait
    futex_waitv futex_wake futimesat generic get_kernel_syms get_mempolicy get_robust_list
    get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
    getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid
    getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid
    getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr gtty idle init_module
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
    io_getevents io_pgetevents io_setup io_submit io_uring_enter io_uring_register io_uring_setup
    ioctl ioperm iopl ioprio_get ioprio_set ipc kcmp kexec_file_load kexec_load keyctl kill
    landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr
    link linkat listen listmount listxattr llistxattr llseek lookup_dcookie lremovexattr lseek
    lsetxattr lsm_get_self_attr lsm_list_modules lsm_set_self_attr lstat lstat64 madvise
    map_shadow_stack mbind membarrier memfd_create memfd_secret migrate_pages mincore mkdir
    mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mount mount_setattr
    move_mount move_pages mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend
    mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
    name_to_handle_at nanosleep newfstatat newselect nfsservctl nice oldfstat oldlstat oldolduname
    oldstat olduname open open_by_handle_at open_tree openat openat2 pause perf_event_open
    personality pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 pivot_root pkey_alloc
    pkey_free pkey_mprotect poll ppoll prctl pread pread64 preadv preadv2 prlimit prlimit64
    process_madvise process_mrelease process_vm_readv process_vm_writev procexit pselect6 ptrace
    pwrite pwrite64 pwritev pwritev2 query_module quotactl quotactl_fd read readahead readdir
    readlink readlinkat readv reboot recv recvfrom recvmmsg recvmsg remap_file_pages removexattr
    rename renameat renameat2 request_key restart_syscall rmdir rseq rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
    sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
    send sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy set_mempolicy_home_node
    set_robust_list set_thread_area set_tid_address setdomainname setfsgid setfsgid32 setfsuid
    setfsuid32 setgid setgid32 setgroups setgroups32 sethostname setitimer setns setpgid
    setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
    setreuid32 setrlimit setsid setsockopt settimeofday setuid setuid32 setxattr sgetmask shmat
    shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd signalfd4 sigpending
    sigprocmask sigreturn sigsuspend socket socketcall socketpair splice ssetmask stat stat64
    statfs statfs64 statmount statx stime swapoff swapon symlink symlinkat sync sync_file_range
    syncfs sysfs sysinfo syslog tee tgkill time timer_create timer_delete timer_getoverrun
    timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill
    truncate truncate64 umask umount umount2 uname unlink unlinkat unshare uselib userfaultfd
    ustat utime utimensat utimes vfork vhangup vm86 vm86old vmsplice wait4 waitid waitpid write
    writev asyncevent container cpu_hotplug drop group_added group_deleted user_added
    user_deleted infra k8s mesos notification page_fault pluginevent scapevent signaldeliver
    switch sysdigevent tracer
";

#[cfg(test)]
mod tests {
    use super::*;

    fn is_foreign(field: &Field) -> bool {
        field.classes.is_empty()
    }

    #[test]
    fn names_of_falco_are_known_and_others_are_not() {
        assert!(is_foreign(find("fd.directory").unwrap()));
        assert!(is_foreign(find("ka.verb").unwrap()));
        assert!(is_foreign(find("ct.request.bucket").unwrap()));
        assert!(find("fd.directroy").is_none());
        assert!(find("ka.verb.").is_none());
        assert!(is_foreign(find("evt.arg.linkpath").unwrap()));
        assert!(is_foreign(find("evt.rawarg.fd").unwrap()));
        assert!(find("evt.arg.linkpaht").is_none());
        assert!(is_event_type("openat") && is_event_type("execve"));
        assert!(!is_event_type("opneat"));
    }

    #[test]
    fn each_class_has_its_row() {
        for (class, field) in CLASSES.iter().zip(&OF_CLASS) {
            assert_eq!(field.name.strip_suffix(".*"), Some(*class));
            assert!(is_foreign(find(&format!("{class}.x")).unwrap()));
        }
    }
}
