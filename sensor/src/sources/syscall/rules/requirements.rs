//! What must be captured and gathered for a set of rules.

use std::collections::BTreeSet;

use sensor_ebpf::KINDS;

use super::{names::names, peers::Peer};
use crate::sources::syscall::{
    capture::Name,
    event::Kind,
    fields::{ANCESTORS_MAX, Argument, FieldRef, Needs, Syscall, class, of_kind},
};

/// Of whom events of a kind can match a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Of processes in containers.
    pub container: bool,
    /// Of processes of the host.
    pub host: bool,
}

impl Reach {
    /// Whether any event of the kind can match.
    #[must_use]
    pub fn any(self) -> bool {
        self.container || self.host
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            container: self.container || other.container,
            host: self.host || other.host,
        }
    }
}

/// What the rules that are on need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a bit in the kernel's settings"
)]
pub struct Requirements {
    /// Of whom events can match, by kind.
    reach: [Reach; KINDS],
    /// Of whose events it is asked which program the process runs, by kind.
    program: [Reach; KINDS],
    /// Of connects: those to unix sockets.
    pub unix: bool,
    /// Of connects: those to IPv4 and IPv6 addresses.
    pub inet: bool,
    /// Of connects: those to loopback addresses.
    pub loopback: bool,
    /// Of connects: those of families other than unix, IPv4 and IPv6.
    pub other_families: bool,
    /// Of connects: those of processes of these names (all, if none).
    pub connect_names: Option<BTreeSet<Name>>,
    /// What the fields of conditions and outputs need.
    pub needs: Needs,
    /// How many ancestors they look at.
    pub ancestors: u32,
    /// Of how many ancestors they look at the programs.
    pub ancestor_programs: u32,
}

impl Requirements {
    /// Whether an event of the host can match a rule; if not, the kernel side
    /// can drop them all.
    #[must_use]
    pub fn host(&self) -> bool {
        self.reach.iter().any(|reach| reach.host)
    }

    /// Of whom events of a kind can match.
    #[must_use]
    pub fn reach(&self, kind: Kind) -> Reach {
        self.reach[kind as usize]
    }

    /// Of whose events of a kind it is asked which program the process runs. An exec tells
    /// that itself.
    #[must_use]
    pub fn program(&self, kind: Kind) -> Reach {
        self.program[kind as usize]
    }

    /// What the rules that are on need.
    pub(super) fn of(rules: &falco_rules::RuleSet<Syscall>) -> Self {
        let reach = |kind| Reach {
            container: rules.can_match(class(kind, false)),
            host: rules.can_match(class(kind, true)),
        };
        let reach = Kind::ALL.map(reach);
        let connects = reach[Kind::Connect as usize].any();
        let names = connects.then(|| names(rules, of_kind(Kind::Connect)));
        let mut this = Self {
            reach,
            unix: Peer::Unix.is_wanted(rules),
            inet: Peer::Inet4.is_wanted(rules) || Peer::Inet6.is_wanted(rules),
            loopback: Peer::Loopback4.is_wanted(rules) || Peer::Loopback6.is_wanted(rules),
            other_families: Peer::Other.is_wanted(rules),
            connect_names: names.flatten(),
            ..Self::default()
        };
        for kind in Kind::ALL {
            for host in [false, true] {
                let others = std::mem::take(&mut this.needs);
                rules.fields(class(kind, host), &mut |field| this.field(field));
                this.ask_for_program(kind, host);
                this.needs = this.needs.union(others);
            }
        }
        this
    }

    /// Events of that kind and place need what is in `needs` now.
    fn ask_for_program(&mut self, kind: Kind, host: bool) {
        let asked = self.needs.contains(Needs::PROGRAM);
        let place = Reach {
            container: asked && !host,
            host: asked && host,
        };
        if kind != Kind::Exec {
            let of_kind = &mut self.program[kind as usize];
            *of_kind = of_kind.or(place);
        }
    }

    fn field(&mut self, field: &FieldRef) {
        let needs = field.field.needs;
        self.needs = self.needs.union(needs);
        let depth = match field.argument {
            Argument::Index(index) => index,
            _ if needs.contains(Needs::ANCESTORS) => ANCESTORS_MAX,
            _ => 1,
        };
        if needs.contains(Needs::ANCESTORS) {
            self.ancestors = self.ancestors.max(depth);
        }
        if needs.contains(Needs::ANCESTOR_PROGRAMS) {
            self.ancestor_programs = self.ancestor_programs.max(depth);
            if depth == 0 {
                self.needs = self.needs.union(Needs::PROGRAM);
            }
        }
    }
}
