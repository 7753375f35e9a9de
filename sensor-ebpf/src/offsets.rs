//! Where the members of the kernel's structures are, found in the running
//! kernel's BTF by user space and written into `.rodata` before the programs
//! are loaded: the verifier sees constants.

/// An offset that this kernel does not have, where a program can do without.
pub const ABSENT: u32 = u32::MAX;

macro_rules! offsets {
    ($($(#[$m:meta])* $field:ident = [$($path:literal),+] $(or $absent:ident)?),* $(,)?) => {
        /// Byte offsets of kernel structure members.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(
            not(target_arch = "bpf"),
            derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
        )]
        pub struct Offsets { $($(#[$m])* #[doc = concat!("`", $($path, "` ",)+)] pub $field: u32),* }

        impl Offsets {
            /// All zero, the value in the object file.
            pub const ZERO: Self = Self { $($field: 0),* };

            /// For each field: its paths (`type.member.member…`), of which the
            /// first that the kernel has is taken, whether it may be absent,
            /// and how to set it.
            pub const PATHS: &'static [(&'static [&'static str], bool, fn(&mut Self, u32))] =
                &[$((&[$($path),+], offsets!(@absent $($absent)?), |o, v| o.$field = v)),*];
        }
    };
    (@absent optional) => { true };
    (@absent) => { false };
}

offsets! {
    task_tgid = ["task_struct.tgid"],
    task_pid = ["task_struct.pid"],
    task_flags = ["task_struct.flags"],
    /// x86 only: whether the system call is a 32-bit one.
    task_thread_info_status = ["task_struct.thread_info.status"] or optional,
    task_comm = ["task_struct.comm"],
    task_stack = ["task_struct.stack"],
    task_real_parent = ["task_struct.real_parent"],
    task_group_leader = ["task_struct.group_leader"],
    task_cred = ["task_struct.cred"],
    task_mm = ["task_struct.mm"],
    task_fs = ["task_struct.fs"],
    task_files = ["task_struct.files"],
    task_signal = ["task_struct.signal"],
    task_nsproxy = ["task_struct.nsproxy"],
    task_cgroups = ["task_struct.cgroups"],
    /// Since 5.5 named so.
    task_start_boottime = ["task_struct.start_boottime", "task_struct.real_start_time"],
    /// Kernels without `CONFIG_AUDIT` have none.
    task_loginuid = ["task_struct.loginuid"] or optional,
    task_sessionid = ["task_struct.sessionid"] or optional,
    task_thread_pid = ["task_struct.thread_pid"],
    signal_pids = ["signal_struct.pids"],
    signal_tty = ["signal_struct.tty"],
    signal_nr_threads = ["signal_struct.nr_threads"],
    signal_rlim = ["signal_struct.rlim"],
    task_self_exec_id = ["task_struct.self_exec_id"] or optional,
    task_maj_flt = ["task_struct.maj_flt"],
    task_min_flt = ["task_struct.min_flt"],
    tty_driver = ["tty_struct.driver"],
    tty_index = ["tty_struct.index"],
    tty_driver_major = ["tty_driver.major"],
    tty_driver_minor_start = ["tty_driver.minor_start"],
    pid_level = ["pid.level"],
    pid_numbers = ["pid.numbers"],
    upid_nr = ["upid.nr"],
    upid_ns = ["upid.ns"],
    cred_uid = ["cred.uid"],
    cred_gid = ["cred.gid"],
    cred_euid = ["cred.euid"],
    cred_egid = ["cred.egid"],
    cred_cap_permitted = ["cred.cap_permitted"],
    cred_cap_effective = ["cred.cap_effective"],
    cred_cap_inheritable = ["cred.cap_inheritable"],
    cred_user_ns = ["cred.user_ns"],
    user_ns_inum = ["user_namespace.ns.inum"],
    nsproxy_mnt_ns = ["nsproxy.mnt_ns"],
    nsproxy_net_ns = ["nsproxy.net_ns"],
    nsproxy_pid_ns = ["nsproxy.pid_ns_for_children"],
    mnt_ns_inum = ["mnt_namespace.ns.inum"],
    net_ns_inum = ["net.ns.inum"],
    pid_ns_inum = ["pid_namespace.ns.inum"],
    pid_ns_child_reaper = ["pid_namespace.child_reaper"],
    mm_arg_start = ["mm_struct.arg_start"],
    mm_arg_end = ["mm_struct.arg_end"],
    mm_env_start = ["mm_struct.env_start"],
    mm_env_end = ["mm_struct.env_end"],
    mm_exe_file = ["mm_struct.exe_file"],
    mm_total_vm = ["mm_struct.total_vm"],
    /// Until 6.1 words, then counters by CPU.
    mm_rss_words = ["mm_struct.rss_stat.count"] or optional,
    mm_rss_stat = ["mm_struct.rss_stat"],
    percpu_counter_count = ["percpu_counter.count"],
    /// The last member; a kernel for one CPU has none.
    percpu_counter_counters = ["percpu_counter.counters", "percpu_counter.count"],
    bprm_filename = ["linux_binprm.filename"],
    file_f_path = ["file.f_path"],
    file_f_inode = ["file.f_inode"],
    path_mnt = ["path.mnt"],
    path_dentry = ["path.dentry"],
    fs_pwd = ["fs_struct.pwd"],
    fs_root = ["fs_struct.root"],
    dentry_d_parent = ["dentry.d_parent"],
    dentry_d_name_name = ["dentry.d_name.name"],
    dentry_d_inode = ["dentry.d_inode"],
    dentry_d_hash_pprev = ["dentry.d_hash.pprev"],
    vfsmount_mnt_root = ["vfsmount.mnt_root"],
    mount_mnt = ["mount.mnt"],
    mount_mnt_parent = ["mount.mnt_parent"],
    mount_mnt_mountpoint = ["mount.mnt_mountpoint"],
    inode_i_mode = ["inode.i_mode"],
    inode_i_uid = ["inode.i_uid"],
    inode_i_gid = ["inode.i_gid"],
    inode_i_ino = ["inode.i_ino"],
    inode_i_nlink = ["inode.i_nlink"],
    inode_i_sb = ["inode.i_sb"],
    /// Until 6.6 a `timespec64`, until 6.11 `__i_ctime`, then two members.
    inode_ctime_sec = ["inode.i_ctime_sec", "inode.__i_ctime.tv_sec", "inode.i_ctime.tv_sec"],
    inode_ctime_nsec = ["inode.i_ctime_nsec", "inode.__i_ctime.tv_nsec", "inode.i_ctime.tv_nsec"],
    inode_mtime_sec = ["inode.i_mtime_sec", "inode.__i_mtime.tv_sec", "inode.i_mtime.tv_sec"],
    inode_mtime_nsec = ["inode.i_mtime_nsec", "inode.__i_mtime.tv_nsec", "inode.i_mtime.tv_nsec"],
    sb_s_magic = ["super_block.s_magic"],
    /// overlayfs may be a module: then from the module's own BTF.
    ovl_inode_upper = ["ovl_inode.__upperdentry"] or optional,
    ovl_inode_vfs = ["ovl_inode.vfs_inode"] or optional,
    css_set_dfl_cgrp = ["css_set.dfl_cgrp"],
    css_set_subsys = ["css_set.subsys"],
    css_cgroup = ["cgroup_subsys_state.cgroup"],
    cgroup_self = ["cgroup.self"],
    cgroup_kn = ["cgroup.kn"],
    kernfs_node_id = ["kernfs_node.id"],
    kernfs_node_name = ["kernfs_node.name"],
    /// `__parent` since 6.15.
    kernfs_node_parent = ["kernfs_node.__parent", "kernfs_node.parent"],
    files_fdt = ["files_struct.fdt"],
    fdtable_max_fds = ["fdtable.max_fds"],
    fdtable_fd = ["fdtable.fd"],
    fdtable_open_fds = ["fdtable.open_fds"],
    file_private_data = ["file.private_data"],
    file_f_op = ["file.f_op"],
    socket_sk = ["socket.sk"],
    socket_type = ["socket.type"],
    socket_file = ["socket.file"],
    sock_family = ["sock.__sk_common.skc_family"],
    sock_state = ["sock.__sk_common.skc_state"],
    sock_daddr = ["sock.__sk_common.skc_daddr"],
    sock_rcv_saddr = ["sock.__sk_common.skc_rcv_saddr"],
    sock_dport = ["sock.__sk_common.skc_dport"],
    sock_num = ["sock.__sk_common.skc_num"],
    sock_v6_daddr = ["sock.__sk_common.skc_v6_daddr"] or optional,
    sock_v6_rcv_saddr = ["sock.__sk_common.skc_v6_rcv_saddr"] or optional,
    sock_protocol = ["sock.sk_protocol"],
    sock_type = ["sock.sk_type"],
    sock_socket = ["sock.sk_socket"],
    inet_saddr = ["inet_sock.inet_saddr"],
    inet_sport = ["inet_sock.inet_sport"],
    unix_sock_addr = ["unix_sock.addr"] or optional,
    unix_sock_peer = ["unix_sock.peer"] or optional,
}
