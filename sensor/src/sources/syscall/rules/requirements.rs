//! What the kernel side and the metadata must provide for a set of rules.

use std::collections::BTreeSet;

use sensor_ebpf::KINDS;

use super::{names::names, peers::Peer};
use crate::sources::syscall::{
    capture::Name,
    event::Kind,
    fields::{
        ANCESTORS_MAX, Argument, ArgumentKind, DOMAINS, FieldRef, Needs, Syscall, class, of_kind,
    },
    lineage::Variables,
};

/// The places whose events of a kind can match a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Containers.
    pub container: bool,
    /// The host.
    pub host: bool,
}

impl Reach {
    /// Whether any event of the kind can match.
    #[must_use]
    pub fn any(self) -> bool {
        self.container || self.host
    }

    /// The places of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            container: self.container || other.container,
            host: self.host || other.host,
        }
    }
}

/// What the active rules need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a bit in the kernel's settings"
)]
pub struct Requirements {
    /// The places whose events can match, by kind.
    reach: [Reach; KINDS],
    /// The places whose events need the program of the process, by kind.
    program: [Reach; KINDS],
    /// Whether connects to unix sockets can match.
    pub unix: bool,
    /// Whether connects to IPv4 and IPv6 addresses can match.
    pub inet: bool,
    /// Whether connects to loopback addresses can match.
    pub loopback: bool,
    /// Whether connects of families other than unix, IPv4 and IPv6 can match.
    pub other_families: bool,
    /// The names of processes whose connects can match (none: all processes).
    pub connect_names: Option<BTreeSet<Name>>,
    /// The needs of all fields in conditions and outputs.
    pub needs: Needs,
    /// The variables of the environment that fields read; none if they read no environment.
    pub variables: Option<Variables>,
    /// The domain names with which conditions compare addresses.
    pub domains: BTreeSet<Box<str>>,
    /// The number of ancestors that fields read.
    pub ancestors: u32,
    /// The number of ancestors whose programs fields read.
    pub ancestor_programs: u32,
}

impl Requirements {
    /// Whether an event of the host can match a rule; if not, the kernel side can drop all of them.
    #[must_use]
    pub fn host(&self) -> bool {
        self.reach.iter().any(|reach| reach.host)
    }

    /// The places whose events of a kind can match.
    #[must_use]
    pub fn reach(&self, kind: Kind) -> Reach {
        self.reach[kind as usize]
    }

    /// The places whose events of a kind need the program of the process. An exec has its program
    /// in the record.
    #[must_use]
    pub fn program(&self, kind: Kind) -> Reach {
        self.program[kind as usize]
    }

    /// The requirements of the active rules.
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
        for field in DOMAINS {
            rules.compared(of_kind(Kind::Connect), field, &mut |name| {
                if !name.is_empty() {
                    this.domains.insert(name.into());
                }
            });
        }
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

    /// Adds what events of that kind and place need, from the current `needs`.
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
        if needs.contains(Needs::ENV) {
            let variables = self.variables.get_or_insert_default();
            match &field.argument {
                Argument::Name(name) => {
                    variables.names.insert(name.clone());
                }
                // `proc.env_truncated` reads no variable.
                _ => variables.all |= field.field.argument == ArgumentKind::OptionalName,
            }
        }
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
