//! What can be set about the kernel side.

use std::collections::BTreeSet;

use sensor_ebpf::{ARGV_LIMIT_DEFAULT, COMM_LEN, Kind, Kinds, Settings, Tree, want};

use super::{BPF_OBJECT, HookMode};

/// What each container may take of what all share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Events a second over a longer time; 0: without limit.
    pub rate: u64,
    /// Events at once.
    pub burst: u64,
}

impl Budget {
    /// No limits.
    pub const NONE: Self = Self { rate: 0, burst: 0 };

    /// The cost of an event and of a whole burst, nanoseconds.
    fn nanoseconds(self) -> (u64, u64) {
        const SECOND: u64 = 1_000_000_000;
        if self.rate == 0 {
            return (0, 0);
        }
        let interval = (SECOND / self.rate).max(1);
        // At least one event passes, and sums with times do not overflow.
        let burst = interval.saturating_mul(self.burst.max(1));
        (interval, burst.min(u64::MAX / 4))
    }
}

/// Whose events are captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeMode {
    /// Everybody's but those of the sensor itself and of what it starts.
    #[default]
    ExcludeSelf,
    /// Everybody's.
    All,
    /// Those of this process and of what it starts, and no others.
    Only(u32),
    /// Everybody's but those of this process and of what it starts.
    Exclude(u32),
}

/// Options fixed at start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The eBPF object: the embedded one, if no test brings the object of another compiler.
    pub object: &'static [u8],
    /// Bytes of the ring buffer: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Most argv bytes that [`CaptureRequest::argv_limit`] may ever ask for.
    pub argv_capacity: u32,
    /// Whose events are captured.
    pub tree: TreeMode,
    /// Whether kernel structures are read by loads where the kernel can check their
    /// types, and not by calls.
    pub typed: bool,
    /// How system calls are hooked.
    pub hooks: HookMode,
    /// Whether each program has a backup; by the kernel's version, if that is not said.
    pub backups: Option<bool>,
    /// The process whose execs are the self-test's, if there is one.
    pub marker: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            object: BPF_OBJECT,
            typed: true,
            ring_bytes: 8 << 20,
            argv_capacity: ARGV_LIMIT_DEFAULT,
            tree: TreeMode::ExcludeSelf,
            hooks: HookMode::Auto,
            backups: None,
            marker: None,
        }
    }
}

/// A process's name as the kernel has it, with zeroes up to its end.
pub type Name = [u8; COMM_LEN];

/// What a rule set wants of the kernel side; may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a bit in the kernel's settings"
)]
pub struct CaptureRequest {
    /// Of which kinds any event. The hooks of other kinds are not attached.
    pub kinds: Kinds,
    /// Of which kinds events outside containers.
    pub host: Kinds,
    /// Of which kinds events in containers.
    pub container: Kinds,
    /// Connects to unix sockets.
    pub unix: bool,
    /// Connects of IPv4 and IPv6 sockets.
    pub inet: bool,
    /// Connects of those to loopback addresses.
    pub loopback: bool,
    /// Connects of other families than unix, IPv4 and IPv6.
    pub other_families: bool,
    /// Connects of processes of these names alone (none: of all).
    pub connect_names: Option<BTreeSet<Name>>,
    /// Bytes of argv, up to [`Options::argv_capacity`].
    pub argv_limit: u32,
    /// Bytes of the environment (0: none), up to [`sensor_ebpf::ENV_LIMIT_MAX`].
    pub env_limit: u32,
    /// Ancestors to report, up to [`sensor_ebpf::ANCESTORS_MAX`].
    pub ancestors: u32,
    /// Of each cgroup.
    pub budget: Budget,
}

impl Default for CaptureRequest {
    fn default() -> Self {
        Self {
            kinds: Kinds::NONE.with(Kind::Exec),
            host: Kinds::ALL,
            container: Kinds::ALL,
            unix: true,
            inet: true,
            loopback: true,
            other_families: true,
            connect_names: None,
            argv_limit: ARGV_LIMIT_DEFAULT,
            env_limit: 0,
            ancestors: 10,
            budget: Budget::NONE,
        }
    }
}

impl CaptureRequest {
    /// The kernel's form of it, for a ring buffer of that size.
    #[must_use]
    pub fn settings(&self, tree: TreeMode, mode: HookMode, ring_bytes: u32) -> Settings {
        let bits = [
            (self.unix, want::UNIX),
            (self.inet, want::INET),
            (self.loopback, want::LOOPBACK),
            (self.other_families, want::OTHER_FAMILIES),
            (mode == HookMode::Raw, want::RAW),
            (self.connect_names.is_some(), want::NAMES),
        ];
        let tree = match tree {
            TreeMode::All => Tree::All,
            TreeMode::ExcludeSelf | TreeMode::Exclude(_) => Tree::Exclude,
            TreeMode::Only(_) => Tree::Only,
        };
        let (budget_interval, budget_burst) = self.budget.nanoseconds();
        Settings {
            kinds: self.kinds.mask(),
            host: self.host.mask(),
            container: self.container.mask(),
            wants: bits
                .iter()
                .filter(|(on, _)| *on)
                .fold(0, |all, (_, bit)| all | bit),
            tree: tree as u32,
            argv_limit: self.argv_limit,
            env_limit: self.env_limit,
            ancestors: self.ancestors,
            marker: 0,
            budget_interval,
            budget_burst,
            budget_ring: u64::from(ring_bytes) / 4 * 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_told_in_nanoseconds() {
        let budget = |rate, burst| Budget { rate, burst }.nanoseconds();
        assert_eq!(budget(20_000, 100_000), (50_000, 5_000_000_000));
        assert_eq!(budget(1, 0), (1_000_000_000, 1_000_000_000));
        assert_eq!(budget(u64::MAX, 7), (1, 7));
        assert_eq!(budget(1, u64::MAX), (1_000_000_000, u64::MAX / 4));
        assert_eq!(Budget::NONE.nanoseconds(), (0, 0));
    }
}
