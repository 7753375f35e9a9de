//! Records of the ring buffer.
//!
//! A record is a [`Header`], a [`Task`], the fixed part of its kind ([`Exec`], [`Connect`] or
//! [`Call`]) and then the variable sections, back to back, in the order of
//! the `*_len` members. Lengths are bytes.

/// Changes with every change of the layout: user space refuses another one.
pub const WIRE_VERSION: u16 = 2;

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
/// Smallest, default and largest number of argv bytes that can be asked for.
pub const ARGV_LIMIT_MIN: u32 = 1 << 10;
/// See [`ARGV_LIMIT_MIN`].
pub const ARGV_LIMIT_DEFAULT: u32 = 32 << 10;
/// See [`ARGV_LIMIT_MIN`].
pub const ARGV_LIMIT_MAX: u32 = 256 << 10;
/// Most bytes of the environment that can be asked for.
pub const ENV_LIMIT_MAX: u32 = 32 << 10;

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
    /// Begins every record.
    pub struct Header {
        /// Bytes of the whole record, this header included.
        pub len: u32,
        /// A [`crate::Kind`].
        pub kind: u16,
        /// [`WIRE_VERSION`].
        pub version: u16,
        /// When it happened: nanoseconds since boot (`CLOCK_BOOTTIME`).
        pub time: u64,
        /// User space's number of the event; the kernel side leaves it 0.
        pub number: u64,
        /// CPU on which it happened.
        pub cpu: u32,
        /// Explicit padding.
        pub reserved: u32,
    }

    /// The process that did it, as the kernel knows it.
    pub struct Task {
        /// When the process started, nanoseconds since boot.
        pub start: u64,
        /// See [`crate::Image`]: when the running program was executed (0: before the sensor).
        pub image_time: u64,
        /// When the process that executed it had started.
        pub image_start: u64,
        /// The process that executed it.
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
        /// Address of the cgroup's kernfs node: with `cgroup_id` a key, never shown.
        pub cgroup_node: u64,
        /// Id of the cgroup's kernfs node.
        pub cgroup_id: u64,
        /// Name of the program.
        pub comm: [u8; COMM_LEN],
        /// Bytes of the ancestors ([`Ancestor`]s, nearest first).
        pub ancestors_len: u32,
        /// Bytes of the cgroup's names, innermost first, each with its NUL.
        pub cgroup_len: u32,
    }

    /// Fixed part of [`crate::Kind::Exec`] and [`crate::Kind::ExecFailed`].
    pub struct Exec {
        /// 0, or a negative errno.
        pub result: i64,
        /// Inode number of the executed file.
        pub exe_ino: u64,
        /// Its change time, nanoseconds since the epoch.
        pub exe_ctime: u64,
        /// Its modification time, nanoseconds since the epoch.
        pub exe_mtime: u64,
        /// Its owner.
        pub exe_uid: u32,
        /// Its group.
        pub exe_gid: u32,
        /// Its mode.
        pub exe_mode: u32,
        /// Bits of [`exec_flag`].
        pub flags: u32,
        /// Bytes of argv as the process has it, whatever was captured.
        pub argv_size: u64,
        /// Bytes of the environment as the process has it.
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
        /// Explicit padding.
        pub reserved: u32,
    }

    /// Fixed part of plain system calls.
    pub struct Call {
        /// What the call returned: 0 or more, or a negative errno.
        pub result: i64,
        /// The first arguments, as the caller's registers hold them; those of a 32-bit call have
        /// 32 bits.
        pub arguments: [u64; CALL_ARGUMENTS],
    }

    /// A process above the one that did it.
    pub struct Ancestor {
        /// When it started, nanoseconds since boot.
        pub start: u64,
        /// See [`Task::image_time`].
        pub image_time: u64,
        /// See [`Task::image_start`].
        pub image_start: u64,
        /// See [`Task::image_tgid`].
        pub image_tgid: u32,
        /// Its thread group id.
        pub tgid: u32,
        /// Its thread group id in the pid namespace of the process that did it (0: not visible there).
        pub vtgid: u32,
        /// Bits of [`task_flag`].
        pub flags: u32,
        /// Its name.
        pub comm: [u8; COMM_LEN],
    }

    /// Fixed part of [`crate::Kind::Connect`].
    pub struct Connect {
        /// What the call returned: 0, a file descriptor's worth, or a negative errno.
        pub result: i64,
        /// Address of the kernel's socket: a key, never shown.
        pub socket: u64,
        /// Inode number of the socket (0: none).
        pub inode: u64,
        /// Descriptor that was given (-1: none, as with io_uring).
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
        /// Local address; an IPv4 address stands in the first four bytes.
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
        /// Bytes of the unix socket's name as given, without the family; or of the path of
        /// what is no socket: names, innermost first, each with its NUL.
        pub path_len: u32,
        /// Length of the address that the caller gave.
        pub given_len: u32,
    }
}

/// Bits of [`Task::flags`] and [`Ancestor::flags`].
pub mod task_flag {
    /// The session is the same as that of the process that did it.
    pub const SAME_SESSION: u32 = 1 << 0;
    /// All ancestors up to the first process are in the record.
    pub const LINEAGE_COMPLETE: u32 = 1 << 1;
    /// The cgroup's path reaches its root.
    pub const CGROUP_COMPLETE: u32 = 1 << 2;
    /// A kernel thread (or an io_uring worker's owner, see [`Self`]).
    pub const KERNEL_THREAD: u32 = 1 << 3;
    /// Made by an io_uring worker on behalf of the process.
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
    /// The environment was longer than the limit.
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
    /// The overlay's layers could not be told (the type is in no BTF here).
    pub const LAYER_UNKNOWN: u32 = 1 << 10;
    /// The working directory was deleted.
    pub const CWD_DELETED: u32 = 1 << 11;
    /// The process runs 32-bit code.
    pub const COMPAT: u32 = 1 << 12;
}

/// Bits of [`Connect::flags`].
pub mod connect_flag {
    /// The descriptor is open, but is not a socket.
    pub const NOT_A_SOCKET: u32 = 1 << 0;
    /// The address that the caller gave could not be read.
    pub const GIVEN_UNREADABLE: u32 = 1 << 1;
    /// Seen as a change of the socket's state, with no `connect` system call.
    pub const NO_SYSCALL: u32 = 1 << 2;
    /// The remote address was saved by the kernel when the attempt began.
    pub const REMOTE_FROM_KERNEL: u32 = 1 << 3;
    /// A signal interrupted the call; the attempt goes on, so it counts as
    /// `EINPROGRESS`. Its restart is no event of its own.
    pub const INTERRUPTED: u32 = 1 << 4;
    /// A 32-bit system call.
    pub const COMPAT: u32 = 1 << 5;
    /// The kernel's TCP began an attempt in this call.
    pub const BEGUN: u32 = 1 << 6;
}
