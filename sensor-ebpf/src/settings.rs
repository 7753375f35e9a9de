//! What user space tells the kernel side, in maps.

/// Whose events are wanted.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tree {
    /// Everybody's.
    #[default]
    All = 0,
    /// All but those of marked processes and what they start.
    Exclude = 1,
    /// Only those of marked processes and of what they start.
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
    /// System calls are hooked raw, so 32-bit ones are seen at their exit.
    pub const RAW: u32 = 1 << 5;
}

/// The only value of the `SETTINGS` map; may change while the programs run.
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
    /// The kinds that are wanted, as [`crate::Kinds::mask`].
    pub kinds: u64,
    /// The kinds that are wanted of processes outside containers.
    pub host: u64,
    /// The kinds that are wanted of processes in containers.
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
    /// The process whose execs are the self-test's (0: none): they are reported
    /// whatever else is wanted.
    pub marker: u32,
    /// What an event costs a cgroup's budget, nanoseconds (0: there are no budgets).
    pub budget_interval: u64,
    /// How much of its budget a cgroup may use at once, nanoseconds.
    pub budget_burst: u64,
    /// Unread bytes in the ring buffer above which only a [`BUDGET_PRESSURE`]th of
    /// that may be used at once.
    pub budget_ring: u64,
}

/// Most cgroups whose refused events are counted each by itself.
pub const THROTTLED_MAX: u32 = 1024;

/// See [`Settings::budget_ring`].
pub const BUDGET_PRESSURE: u64 = 16;

/// The program that a process runs, value of the `IMAGES` map (key: tgid).
///
/// A fork inherits it, an exec makes a new one; so a process that forked without
/// exec can be traced to the exec whose command line it shows. `time` 0 is a
/// program that was there before the sensor.
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
    /// When the process that executed it had started, nanoseconds since boot.
    pub start: u64,
    /// The process that executed it.
    pub tgid: u32,
    /// 1: of the marked process tree, see [`Tree`].
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
    /// Address of the kernfs node: ids are unique in one hierarchy only.
    pub node: u64,
    /// Id of the kernfs node.
    pub id: u64,
}

/// Value of the `CGROUPS` map: what user space found a cgroup to be.
///
/// A cgroup that is not in the map is let through, so that user space sees its
/// names and can answer.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupClass {
    /// Of the host.
    Host = 1,
    /// Of a container.
    Container = 2,
}

/// A TCP connection attempt that the kernel began, value of the `ATTEMPTS` map
/// (key: address of the socket). After a failed blocking connect the socket has
/// forgotten its peer; this has not.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Local address; IPv4 in the first four bytes.
    pub local: [u8; 16],
    /// Remote address.
    pub remote: [u8; 16],
    /// Inode of the socket, once the attempt was reported: the socket's memory may
    /// come to be that of another one (0: not reported).
    pub inode: u64,
    /// Thread that began it (`bpf_get_current_pid_tgid`).
    pub pid_tgid: u64,
    /// Local port, host byte order (0: not bound yet).
    pub local_port: u16,
    /// Remote port, host byte order.
    pub remote_port: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// 1: a signal interrupted it, and it was reported then.
    pub reported: u16,
}
