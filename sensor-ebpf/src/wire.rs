//! Records of the ring buffer.
//!
//! A record is a [`Header`], a [`Task`], the fixed part of its kind ([`Exec`], [`Connect`] or
//! [`Call`]) and then the variable sections, back to back, in the order of
//! the `*_len` members. Lengths are bytes.

/// The version of the layout; each change of the layout changes it. User space refuses any other
/// version.
pub const WIRE_VERSION: u16 = 3;

/// How many arguments of a plain system call a record has.
pub const CALL_ARGUMENTS: usize = 5;
/// `TASK_COMM_LEN` of the kernel, with the terminating NUL.
pub const COMM_LEN: usize = 16;
/// Most components (path elements and mount crossings) of a path that are read.
pub const COMPONENTS_MAX: usize = 96;
/// `NAME_MAX` of the kernel plus the terminating NUL.
pub const NAME_MAX: usize = 256;
/// Most bytes of an executable's path.
pub const EXE_MAX: usize = 4096;
/// Most bytes of a working directory's path.
pub const CWD_MAX: usize = 16384;
/// Most bytes of a cgroup's path.
pub const CGROUP_MAX: usize = 8192;
/// Most bytes of the path given to exec, with its NUL.
pub const FILENAME_MAX: usize = 4096;
/// Most ancestors in a record.
pub const ANCESTORS_MAX: usize = 16;
/// Smallest number of argv bytes that a configuration can set.
pub const ARGV_LIMIT_MIN: u32 = 1 << 10;
/// Default number of argv bytes.
pub const ARGV_LIMIT_DEFAULT: u32 = 32 << 10;
/// Largest number of argv bytes that a configuration can set.
pub const ARGV_LIMIT_MAX: u32 = 256 << 10;
/// Largest number of bytes of the environment that a configuration can set.
pub const ENV_LIMIT_MAX: u32 = 32 << 10;
/// [`Header::kind`] of a record that is no event but a part of an environment: the kernel side sends
/// what the record of an exec has no room for in parts, before that record. A part has the members
/// [`Header::time`] and [`Task::tgid`] of its exec, its position in the environment in
/// [`Header::number`], its bytes behind [`Exec`], and their number in [`Exec::env_len`]. Its other
/// members mean nothing.
pub const ENV_PART: u16 = u16::MAX;
/// Most bytes of a part of an environment: the smallest scratch memory of an exec has room for it.
pub const ENV_PART_MAX: u32 = 96 << 10;
/// Most parts of an environment: the kernel takes at most 6 MiB of argv and environment together
/// (`_STK_LIM / 4 * 3` in `bprm_stack_limits`, fs/exec.c).
pub const ENV_PARTS_MAX: u32 = (6 << 20) / ENV_PART_MAX;

/// Number of the standard streams of a process.
pub const STDIO: usize = 3;

impl Figures {
    /// No figures.
    pub const NONE: Self = Self {
        virtual_pages: 0,
        resident_pages: 0,
        swapped_pages: 0,
        descriptors_limit: 0,
        major_faults: 0,
        minor_faults: 0,
        threads: 0,
        descriptors: 0,
        stdio: [0; STDIO],
        reserved: 0,
    };
    /// How many descriptors the programs look at.
    pub const DESCRIPTORS_MAX: u32 = 16 << 10;
    /// In [`Self::stdio`]: the descriptor is a socket.
    pub const SOCKET: u16 = 1 << 15;
    /// In [`Self::stdio`]: the descriptor is open, and no socket.
    pub const OPEN: u16 = 1 << 14;
}

macro_rules! wire {
    ($($(#[$m:meta])* pub struct $name:ident { $($(#[$fm:meta])* pub $field:ident: $ty:ty,)* })*) => {$(
        $(#[$m])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(
            not(target_arch = "bpf"),
            derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
        )]
        pub struct $name { $($(#[$fm])* pub $field: $ty,)* }
    )*};
}

wire! {
    /// The beginning of every record.
    pub struct Header {
        /// Bytes of the whole record, this header included.
        pub len: u32,
        /// A [`crate::Kind`].
        pub kind: u16,
        /// [`WIRE_VERSION`].
        pub version: u16,
        /// When the event happened: nanoseconds since boot (`CLOCK_BOOTTIME`).
        pub time: u64,
        /// The number that user space gives the event; the kernel side leaves it 0.
        pub number: u64,
        /// The CPU on which the event happened.
        pub cpu: u32,
        /// 1: no rule wants the event, and observers do, see [`crate::Settings::watched_host`].
        pub watched: u32,
    }

    /// The process that caused the event, as the kernel knows it.
    pub struct Task {
        /// When the process started, nanoseconds since boot.
        pub start: u64,
        /// See [`crate::Image`]: when the running program was executed (0: before the sensor).
        pub image_time: u64,
        /// When the process that executed the program had started, nanoseconds since boot.
        pub image_start: u64,
        /// The process that executed the program.
        pub image_tgid: u32,
        /// Thread group id, user space's "pid".
        pub tgid: u32,
        /// Thread id.
        pub tid: u32,
        /// Thread group id of the real parent (0: none).
        pub ppid: u32,
        /// `tgid` in the process's own pid namespace.
        pub vtgid: u32,
        /// `tid` in the process's own pid namespace.
        pub vtid: u32,
        /// Process group.
        pub pgid: u32,
        /// Process group in the process's own pid namespace.
        pub vpgid: u32,
        /// Session.
        pub sid: u32,
        /// Session in the process's own pid namespace.
        pub vsid: u32,
        /// Effective user, initial user namespace.
        pub euid: u32,
        /// Effective group, initial user namespace.
        pub egid: u32,
        /// Real user.
        pub uid: u32,
        /// Real group.
        pub gid: u32,
        /// Audit login user (`u32::MAX`: unset).
        pub loginuid: u32,
        /// Audit session (`u32::MAX`: unset).
        pub sessionid: u32,
        /// Controlling terminal, as a device number in the kernel's `new_encode_dev` form (0: none).
        pub tty: u32,
        /// Bits of [`task_flag`].
        pub flags: u32,
        /// Permitted capabilities.
        pub cap_permitted: u64,
        /// Effective capabilities.
        pub cap_effective: u64,
        /// Inheritable capabilities.
        pub cap_inheritable: u64,
        /// Inode of the pid namespace.
        pub pid_ns: u32,
        /// Inode of the mount namespace.
        pub mnt_ns: u32,
        /// Inode of the network namespace.
        pub net_ns: u32,
        /// Inode of the user namespace.
        pub user_ns: u32,
        /// When the first process of the pid namespace started (0: unknown), nanoseconds since boot.
        pub pid_ns_start: u64,
        /// Address of the cgroup's kernfs node: with `cgroup_id` a key, which no alert shows.
        pub cgroup_node: u64,
        /// Id of the cgroup's kernfs node.
        pub cgroup_id: u64,
        /// Name of the program.
        pub comm: [u8; COMM_LEN],
        /// Bytes of the ancestors ([`Ancestor`]s, nearest first).
        pub ancestors_len: u32,
        /// Bytes of the cgroup's names, innermost first, each with its NUL.
        pub cgroup_len: u32,
        /// What the process uses.
        pub figures: Figures,
    }

    /// What a process uses; [`Figures::NONE`] if no rule asks for any of it.
    pub struct Figures {
        /// Pages of its address space.
        pub virtual_pages: u64,
        /// Its pages in memory, as the kernel counts them: some pages for each CPU may be missing.
        pub resident_pages: u64,
        /// Its pages in swap.
        pub swapped_pages: u64,
        /// The number of descriptors that it may have open (the soft limit).
        pub descriptors_limit: u64,
        /// Major page faults of the thread.
        pub major_faults: u64,
        /// Minor page faults of the thread.
        pub minor_faults: u64,
        /// Its threads; 0 if there are no figures.
        pub threads: u32,
        /// Its open descriptors, of the first [`Figures::DESCRIPTORS_MAX`].
        pub descriptors: u32,
        /// The descriptors 0, 1 and 2: [`Figures::SOCKET`] and the address family, or
        /// [`Figures::OPEN`] and the four highest bits of the file's mode, or 0 if not open.
        pub stdio: [u16; STDIO],
        /// Explicit padding.
        pub reserved: u16,
    }

    /// Fixed part of [`crate::Kind::Exec`] and [`crate::Kind::ExecFailed`].
    pub struct Exec {
        /// 0, or a negative errno.
        pub result: i64,
        /// Inode number of the executed file.
        pub exe_ino: u64,
        /// Change time of the executed file, nanoseconds since the epoch.
        pub exe_ctime: u64,
        /// Modification time of the executed file, nanoseconds since the epoch.
        pub exe_mtime: u64,
        /// User id of the file's owner.
        pub exe_uid: u32,
        /// Group id of the file.
        pub exe_gid: u32,
        /// Mode of the file.
        pub exe_mode: u32,
        /// Bits of [`exec_flag`].
        pub flags: u32,
        /// Bytes of argv in the process, independent of how many the record has.
        pub argv_size: u64,
        /// Bytes of the environment in the process.
        pub env_size: u64,
        /// Bytes captured of the executable's path: names, innermost first, each with its NUL.
        pub exe_len: u32,
        /// Bytes captured of the working directory: names, innermost first, each with its NUL.
        pub cwd_len: u32,
        /// Bytes captured of the path given to exec, without its NUL.
        pub filename_len: u32,
        /// Bytes captured of argv: strings, each with its NUL (the last one may be cut).
        pub argv_len: u32,
        /// Bytes captured of the environment: strings, each with its NUL.
        pub env_len: u32,
        /// How many programs the process and its ancestors before their forks have executed, this
        /// one included: the low bits of `task_struct.self_exec_id` (0: unknown).
        pub exec_id: u32,
    }

    /// Fixed part of plain system calls.
    pub struct Call {
        /// What the call returned: 0 or more, or a negative errno.
        pub result: i64,
        /// The first arguments, as the caller's registers hold them; those of a 32-bit call have
        /// 32 bits.
        pub arguments: [u64; CALL_ARGUMENTS],
    }

    /// An ancestor of the process that caused the event.
    pub struct Ancestor {
        /// When the ancestor started, nanoseconds since boot.
        pub start: u64,
        /// See [`Task::image_time`].
        pub image_time: u64,
        /// See [`Task::image_start`].
        pub image_start: u64,
        /// See [`Task::image_tgid`].
        pub image_tgid: u32,
        /// Thread group id of the ancestor.
        pub tgid: u32,
        /// Thread group id of the ancestor in the pid namespace of the process that caused the
        /// event (0: not visible there).
        pub vtgid: u32,
        /// Bits of [`task_flag`].
        pub flags: u32,
        /// Name of the ancestor.
        pub comm: [u8; COMM_LEN],
    }

    /// Fixed part of [`crate::Kind::Connect`].
    pub struct Connect {
        /// What the call returned: 0 or more, or a negative errno.
        pub result: i64,
        /// Address of the kernel's socket: a key, which no alert shows.
        pub socket: u64,
        /// Inode number of the socket (0: none).
        pub inode: u64,
        /// Descriptor that the caller gave (-1: none, as with io_uring).
        pub fd: i32,
        /// Bits of [`connect_flag`].
        pub flags: u32,
        /// Address family of the socket (`AF_*`; 0: no socket).
        pub family: u16,
        /// Type of the socket (`SOCK_*`).
        pub socket_type: u16,
        /// Protocol of the socket (`IPPROTO_*`).
        pub protocol: u16,
        /// State of the socket (`TCP_*` of the kernel).
        pub state: u16,
        /// Local address; an IPv4 address is in the first four bytes.
        pub local: [u8; 16],
        /// Remote address of the socket after the call.
        pub remote: [u8; 16],
        /// Local port, host byte order.
        pub local_port: u16,
        /// Remote port, host byte order.
        pub remote_port: u16,
        /// Family of the address that the caller gave (0: none was read).
        pub given_family: u16,
        /// Port that the caller gave, host byte order.
        pub given_port: u16,
        /// Address that the caller gave.
        pub given: [u8; 16],
        /// Bytes of the unix socket's name that the caller gave, without the family. For a
        /// descriptor that is no socket: bytes of the file's path, as names, innermost first, each
        /// with its NUL.
        pub path_len: u32,
        /// Length of the address that the caller gave.
        pub given_len: u32,
    }
}

/// Bits of [`Task::flags`] and [`Ancestor::flags`].
pub mod task_flag {
    /// The session is that of the process that caused the event.
    pub const SAME_SESSION: u32 = 1 << 0;
    /// All ancestors up to the first process are in the record.
    pub const LINEAGE_COMPLETE: u32 = 1 << 1;
    /// The cgroup's path reaches its root.
    pub const CGROUP_COMPLETE: u32 = 1 << 2;
    /// A kernel thread (or an io_uring worker's owner, see [`Self`]).
    pub const KERNEL_THREAD: u32 = 1 << 3;
    /// An io_uring worker caused the event on behalf of the process.
    pub const IO_WORKER: u32 = 1 << 4;
    /// The pid namespace is the initial one.
    pub const INITIAL_PID_NS: u32 = 1 << 5;
}

/// Bits of [`Exec::flags`].
pub mod exec_flag {
    /// The executable's path reaches its root.
    pub const EXE_COMPLETE: u32 = 1 << 0;
    /// The working directory's path reaches its root.
    pub const CWD_COMPLETE: u32 = 1 << 1;
    /// argv was longer than the limit.
    pub const ARGV_TRUNCATED: u32 = 1 << 2;
    /// argv, or a part of it, could not be read.
    pub const ARGV_UNREADABLE: u32 = 1 << 3;
    /// The environment was longer than the limit, or could not be read.
    pub const ENV_TRUNCATED: u32 = 1 << 4;
    /// The executed file is in the upper layer of an overlay.
    pub const UPPER_LAYER: u32 = 1 << 5;
    /// The executed file is in a lower layer of an overlay.
    pub const LOWER_LAYER: u32 = 1 << 6;
    /// The executed file has no name in any directory.
    pub const DELETED: u32 = 1 << 7;
    /// The executed file is a memfd.
    pub const MEMFD: u32 = 1 << 8;
    /// The call was `execveat`.
    pub const EXECVEAT: u32 = 1 << 9;
    /// The sensor could not determine the overlay's layer (no BTF here has the type).
    pub const LAYER_UNKNOWN: u32 = 1 << 10;
    /// The working directory was deleted.
    pub const CWD_DELETED: u32 = 1 << 11;
    /// The process runs 32-bit code.
    pub const COMPAT: u32 = 1 << 12;
    /// The rest of the environment came before this record, in parts ([`crate::ENV_PART`]): the
    /// environment is not cut.
    pub const ENV_IN_PARTS: u32 = 1 << 13;
}

/// Bits of [`Connect::flags`].
pub mod connect_flag {
    /// The descriptor is open, but is not a socket.
    pub const NOT_A_SOCKET: u32 = 1 << 0;
    /// The address that the caller gave could not be read.
    pub const GIVEN_UNREADABLE: u32 = 1 << 1;
    /// The sensor saw a change of the socket's state, with no `connect` system call.
    pub const NO_SYSCALL: u32 = 1 << 2;
    /// The remote address was saved by the kernel when the attempt began.
    pub const REMOTE_FROM_KERNEL: u32 = 1 << 3;
    /// A signal interrupted the call. The attempt goes on, so the result is `EINPROGRESS`, and the
    /// restart of the call is no event of its own.
    pub const INTERRUPTED: u32 = 1 << 4;
    /// A 32-bit system call.
    pub const COMPAT: u32 = 1 << 5;
    /// The kernel's TCP began an attempt in this call.
    pub const BEGUN: u32 = 1 << 6;
}
