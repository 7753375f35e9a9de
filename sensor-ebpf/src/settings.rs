//! The settings and classes that user space gives to the kernel side, in maps.

/// The process tree whose events user space wants.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tree {
    /// The events of all processes.
    #[default]
    All = 0,
    /// The events of all processes but marked ones and those that they start.
    Exclude = 1,
    /// Only the events of marked processes and of those that they start.
    Only = 2,
}

/// Bits of [`Settings::wants`].
pub mod want {
    /// Connects only of processes whose names are in the `NAMES` map.
    pub const NAMES: u32 = 1 << 0;
    /// Connects to unix sockets.
    pub const UNIX: u32 = 1 << 1;
    /// Connects to a loopback address.
    pub const LOOPBACK: u32 = 1 << 2;
    /// Connects of any family but unix, IPv4 and IPv6.
    pub const OTHER_FAMILIES: u32 = 1 << 3;
    /// Connects of IPv4 and IPv6 sockets.
    pub const INET: u32 = 1 << 4;
    /// The hooks see 32-bit calls at their exit too.
    pub const COMPAT: u32 = 1 << 5;
    /// The figures of processes: [`crate::Figures`].
    pub const FIGURES: u32 = 1 << 6;
    /// The node is a container itself, so the kernel runs cgroups of other nodes too.
    pub const NODE: u32 = 1 << 7;
}

/// The only value of the `SETTINGS` map; user space may change it while the programs run.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(target_arch = "bpf"),
    derive(
        zerocopy::FromBytes,
        zerocopy::IntoBytes,
        zerocopy::Immutable,
        zerocopy::KnownLayout
    )
)]
pub struct Settings {
    /// The kinds that user space wants, as [`crate::Kinds::mask`].
    pub kinds: u64,
    /// The kinds that user space wants of processes outside containers.
    pub host: u64,
    /// The kinds that user space wants of processes in containers.
    pub container: u64,
    /// Bits of [`want`].
    pub wants: u32,
    /// A [`Tree`].
    pub tree: u32,
    /// Most bytes of argv to capture.
    pub argv_limit: u32,
    /// Most bytes of the environment to capture (0: none).
    pub env_limit: u32,
    /// Ancestors to report.
    pub ancestors: u32,
    /// The process whose children's execs the kernel side reports whatever else user space wants: the
    /// sensor, where it has a helper for the self-test (0: none). The number is that of the first pid
    /// namespace.
    pub marker: u32,
    /// The cost of an event in a cgroup's budget, nanoseconds (0: there are no budgets).
    pub budget_interval: u64,
    /// The part of its budget that a cgroup may use at once, nanoseconds.
    pub budget_burst: u64,
    /// Unread bytes in the ring buffer above which a cgroup may use only one [`BUDGET_PRESSURE`]th
    /// of its burst at once.
    pub budget_ring: u64,
    /// The kinds that observers want of processes outside containers, whatever the rules want. Events
    /// that only observers want have a budget of their own, all together, and the kernel side leaves
    /// them out while the ring buffer has more than `watched_ring` unread bytes.
    pub watched_host: u64,
    /// The kinds that observers want of processes in containers.
    pub watched_container: u64,
    /// See [`Self::watched_host`].
    pub watched_ring: u64,
    /// The connects that observers want: bits of [`want`].
    pub watched_wants: u32,
    /// Explicit padding.
    pub reserved: u32,
}

/// Most cgroups whose throttled events the kernel side counts separately.
pub const THROTTLED_MAX: u32 = 1024;

/// See [`Settings::budget_ring`].
pub const BUDGET_PRESSURE: u64 = 16;

/// The program that a process runs, value of the `IMAGES` map (key: tgid).
///
/// A fork inherits this value, an exec makes a new one. So the sensor can trace a process that
/// forked without exec to the exec whose command line the process shows. `time` 0 marks a program
/// that ran before the sensor started.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(target_arch = "bpf"),
    derive(
        zerocopy::FromBytes,
        zerocopy::IntoBytes,
        zerocopy::Immutable,
        zerocopy::KnownLayout
    )
)]
pub struct Image {
    /// When the program was executed, nanoseconds since boot (0: before the sensor).
    pub time: u64,
    /// When the process that executed the program had started, nanoseconds since boot.
    pub start: u64,
    /// The process that executed the program.
    pub tgid: u32,
    /// 1: the program belongs to the marked process tree, see [`Tree`].
    pub marked: u32,
}

/// Key of the `CGROUPS` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    not(target_arch = "bpf"),
    derive(
        zerocopy::FromBytes,
        zerocopy::IntoBytes,
        zerocopy::Immutable,
        zerocopy::KnownLayout
    )
)]
pub struct CgroupKey {
    /// Address of the kernfs node, since ids are unique within one hierarchy only.
    pub node: u64,
    /// Id of the kernfs node.
    pub id: u64,
}

/// Value of the `CGROUPS` map: the class that user space found for a cgroup.
///
/// The kernel side lets events of a cgroup without an entry through, so that user space sees the
/// cgroup's names and can classify it.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupClass {
    /// The cgroup belongs to the host.
    Host = 1,
    /// The cgroup belongs to a container.
    Container = 2,
    /// The cgroup belongs to another node on the same kernel.
    OtherNode = 3,
}

/// A TCP connection attempt that the kernel began, value of the `ATTEMPTS` map (key: address of the
/// socket). After a failed blocking connect the socket no longer has its peer's address; this value
/// still has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Local address; IPv4 in the first four bytes.
    pub local: [u8; 16],
    /// Remote address.
    pub remote: [u8; 16],
    /// Inode of the socket, once the sensor has reported the attempt (0: not reported). The kernel
    /// may give the socket's memory to another socket, which has another inode.
    pub inode: u64,
    /// The thread that began the attempt (`bpf_get_current_pid_tgid`).
    pub pid_tgid: u64,
    /// Local port, host byte order (0: not bound yet).
    pub local_port: u16,
    /// Remote port, host byte order.
    pub remote_port: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// 1: a signal interrupted the attempt, and the sensor has reported it.
    pub reported: u16,
}
