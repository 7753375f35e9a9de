//! The options and settings of the kernel side.

use std::collections::BTreeSet;

use sensor_ebpf::{ARGV_LIMIT_DEFAULT, COMM_LEN, Kind, Kinds, Settings, Tree, want};

use super::{BPF_OBJECT, HookMode};

/// The budget of each cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Events a second over a longer time; 0: no limit.
    pub rate: u64,
    /// Events that a cgroup may have at once.
    pub burst: u64,
}

impl Budget {
    /// No limit.
    pub const NONE: Self = Self { rate: 0, burst: 0 };

    /// The cost of an event and of a whole burst, nanoseconds.
    fn nanoseconds(self) -> (u64, u64) {
        const SECOND: u64 = 1_000_000_000;
        if self.rate == 0 {
            return (0, 0);
        }
        let interval = (SECOND / self.rate).max(1);
        // A burst of at least one event lets events pass; the upper limit keeps sums with times
        // from overflowing.
        let burst = interval.saturating_mul(self.burst.max(1));
        (interval, burst.min(u64::MAX / 4))
    }
}

/// The processes whose events the sensor captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeMode {
    /// All processes but the sensor and those that it starts.
    #[default]
    ExcludeSelf,
    /// All processes.
    All,
    /// Only this process and those that it starts.
    Only(u32),
    /// All processes but this one and those that it starts.
    Exclude(u32),
}

/// Options that stay the same from the start on.
#[derive(Clone, Debug)]
pub struct Options {
    /// The eBPF object: the embedded one, unless a test brings the object of another compiler.
    pub object: &'static [u8],
    /// Bytes of the ring buffer: a power of two, at least a page.
    pub ring_bytes: u32,
    /// The largest [`CaptureRequest::argv_limit`] that a reload may set.
    pub argv_capacity: u32,
    /// The processes whose events the sensor captures.
    pub tree: TreeMode,
    /// Whether the programs read kernel structures by loads where the verifier can check their
    /// types, and not by helper calls.
    pub typed: bool,
    /// How the sensor hooks system calls.
    pub hooks: HookMode,
    /// The hooks whose programs have backups, bits of [`sensor_ebpf::preempted`]; none: the kernel
    /// decides.
    pub backups: Option<u32>,
    /// Whether the execs of the sensor's own children come whatever the rules want, for the self-test.
    pub marker: bool,
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
            marker: false,
        }
    }
}

/// A process's name as the kernel has it, padded with zeroes.
pub type Name = [u8; COMM_LEN];

/// Kinds of events by where the events happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The kinds of events in containers.
    pub container: Kinds,
    /// The kinds of events outside of containers.
    pub host: Kinds,
}

impl Reach {
    /// The same kinds in containers and outside.
    #[must_use]
    pub fn everywhere(kinds: Kinds) -> Self {
        Self {
            container: kinds,
            host: kinds,
        }
    }

    /// The kinds of both places.
    #[must_use]
    pub fn kinds(self) -> Kinds {
        self.container.union(self.host)
    }

    /// The kinds of either, place by place.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            container: self.container.union(other.container),
            host: self.host.union(other.host),
        }
    }

    /// With a kind, in the places where `wanted` has any of these kinds.
    #[must_use]
    pub fn with_where(self, kind: Kind, wanted: Self) -> Self {
        let any = |kinds: Kinds| kinds != Kinds::NONE;
        Self {
            container: self.container.with_if(kind, any(wanted.container)),
            host: self.host.with_if(kind, any(wanted.host)),
        }
    }

    /// Without a kind.
    #[must_use]
    pub fn without(self, kind: Kind) -> Self {
        Self {
            container: self.container.without(kind),
            host: self.host.without(kind),
        }
    }
}

/// The connects that the loaded rules want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a bit in the kernel's settings"
)]
pub struct Connects {
    /// Connects to unix sockets.
    pub unix: bool,
    /// Connects of IPv4 and IPv6 sockets.
    pub inet: bool,
    /// Connects of IPv4 and IPv6 sockets to loopback addresses.
    pub loopback: bool,
    /// Connects of other families than unix, IPv4 and IPv6.
    pub other_families: bool,
    /// Only the connects of processes with these names (none: those of all processes).
    pub names: Option<BTreeSet<Name>>,
}

impl Connects {
    /// All connects.
    pub const ALL: Self = Self {
        unix: true,
        inet: true,
        loopback: true,
        other_families: true,
        names: None,
    };

    /// The connects of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let names = self.names.as_ref().zip(other.names.as_ref());
        Self {
            unix: self.unix || other.unix,
            inet: self.inet || other.inet,
            loopback: self.loopback || other.loopback,
            other_families: self.other_families || other.other_families,
            names: names.map(|(own, others)| own.union(others).copied().collect()),
        }
    }
}

/// What observers want beyond the rules. It changes no hook: kinds that the hooks of the rules do not
/// see do not come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The kinds of events.
    pub reach: Reach,
    /// The connects among them, of processes of any name.
    pub connects: Connects,
}

impl Watched {
    /// The events that at least one of both observers wants.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            reach: self.reach.union(other.reach),
            connects: self.connects.union(&other.connects),
        }
    }
}

/// What the loaded rules request of the kernel side. A reload may change the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureRequest {
    /// The kinds of events to capture. The sensor does not attach the hooks of other kinds.
    pub reach: Reach,
    /// The connects to capture.
    pub connects: Connects,
    /// Bytes of argv to capture, up to [`Options::argv_capacity`].
    pub argv_limit: u32,
    /// Bytes of the environment that the record of an exec has (0: none), up to
    /// [`sensor_ebpf::ENV_LIMIT_MAX`]; the rest comes in parts.
    pub env_limit: u32,
    /// Whether to report the figures of processes ([`sensor_ebpf::Figures`]).
    pub figures: bool,
    /// Ancestors to report, up to [`sensor_ebpf::ANCESTORS_MAX`].
    pub ancestors: u32,
    /// The budget of each cgroup.
    pub budget: Budget,
}

impl Default for CaptureRequest {
    fn default() -> Self {
        Self {
            reach: Reach::everywhere(Kinds::NONE.with(Kind::Exec)),
            connects: Connects::ALL,
            argv_limit: ARGV_LIMIT_DEFAULT,
            env_limit: 0,
            figures: false,
            ancestors: 10,
            budget: Budget::NONE,
        }
    }
}

impl Connects {
    /// Bits of [`want`], without those of names.
    fn bits(&self) -> u32 {
        bits(&[
            (self.unix, want::UNIX),
            (self.inet, want::INET),
            (self.loopback, want::LOOPBACK),
            (self.other_families, want::OTHER_FAMILIES),
        ])
    }
}

/// The bits that are on.
fn bits(bits: &[(bool, u32)]) -> u32 {
    let on = bits.iter().filter(|(on, _)| *on);
    on.fold(0, |all, (_, bit)| all | bit)
}

impl CaptureRequest {
    /// The kinds of events that come to the rules or may come to observers: those of the attached
    /// hooks.
    #[must_use]
    pub fn captured(&self) -> Kinds {
        // The hook of execs is always there.
        self.reach.kinds().with(Kind::Exec)
    }

    /// The settings that express this request and what observers want in the kernel, for a ring
    /// buffer of `ring_bytes` bytes.
    #[must_use]
    pub fn settings(
        &self,
        watched: &Watched,
        tree: TreeMode,
        mode: HookMode,
        ring_bytes: u32,
    ) -> Settings {
        let captured = self.captured();
        let of = |kinds: Kinds| kinds.intersection(captured);
        let watched_reach = Reach {
            host: of(watched.reach.host),
            container: of(watched.reach.container),
        };
        let wants = bits(&[
            (self.connects.names.is_some(), want::NAMES),
            (mode.sees_compat(), want::COMPAT),
            (self.figures, want::FIGURES),
        ]);
        let tree = match tree {
            TreeMode::All => Tree::All,
            TreeMode::ExcludeSelf | TreeMode::Exclude(_) => Tree::Exclude,
            TreeMode::Only(_) => Tree::Only,
        };
        let (budget_interval, budget_burst) = self.budget.nanoseconds();
        Settings {
            kinds: self.reach.union(watched_reach).kinds().mask(),
            host: self.reach.host.mask(),
            container: self.reach.container.mask(),
            wants: wants | self.connects.bits(),
            tree: tree as u32,
            argv_limit: self.argv_limit,
            env_limit: self.env_limit,
            ancestors: self.ancestors,
            marker: 0,
            budget_interval,
            budget_burst,
            budget_ring: u64::from(ring_bytes) / 4 * 3,
            watched_host: watched_reach.host.mask(),
            watched_container: watched_reach.container.mask(),
            watched_ring: u64::from(ring_bytes) / 4,
            watched_wants: watched.connects.bits(),
            reserved: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_side_gets_a_budget_in_nanoseconds() {
        let budget = |rate, burst| Budget { rate, burst }.nanoseconds();
        assert_eq!(budget(20_000, 100_000), (50_000, 5_000_000_000));
        assert_eq!(budget(1, 0), (1_000_000_000, 1_000_000_000));
        assert_eq!(budget(u64::MAX, 7), (1, 7));
        assert_eq!(budget(1, u64::MAX), (1_000_000_000, u64::MAX / 4));
        assert_eq!(Budget::NONE.nanoseconds(), (0, 0));
    }
}
