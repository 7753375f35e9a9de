//! What the kernel side and the metadata must provide for a set of rules.

use std::collections::BTreeSet;

use sensor_ebpf::Kinds;

use super::{names::names, peers::Peer};
use crate::sources::syscall::{
    capture::{Connects, Reach},
    event::Kind,
    fields::{
        ANCESTORS_MAX, Argument, ArgumentKind, DOMAINS, FieldRef, Needs, Syscall, class, of_kind,
    },
    lineage::Variables,
};

/// What the active rules need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// The events that can match.
    pub reach: Reach,
    /// The events that need the program of the process. An exec has its program in the record.
    pub programs: Reach,
    /// The connects that can match.
    pub connects: Connects,
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
    /// All that events of this machine can have, without the environments of processes.
    #[must_use]
    pub fn everything() -> Self {
        let reach = Reach::everywhere(Kinds::ALL);
        Self {
            reach,
            programs: reach,
            connects: Connects::ALL,
            needs: Needs::ALL.without(Needs::ENV),
            variables: None,
            domains: BTreeSet::new(),
            ancestors: ANCESTORS_MAX,
            ancestor_programs: ANCESTORS_MAX,
        }
    }

    /// The requirements of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let variables = match (&self.variables, &other.variables) {
            (Some(own), Some(others)) => Some(own.union(others)),
            (own, others) => own.as_ref().or(others.as_ref()).cloned(),
        };
        Self {
            reach: self.reach.union(other.reach),
            programs: self.programs.union(other.programs),
            connects: match [self, other].map(|of| of.reach.kinds().contains(Kind::Connect)) {
                [true, true] => self.connects.union(&other.connects),
                [false, true] => other.connects.clone(),
                [_, false] => self.connects.clone(),
            },
            needs: self.needs.union(other.needs),
            variables,
            domains: self.domains.union(&other.domains).cloned().collect(),
            ancestors: self.ancestors.max(other.ancestors),
            ancestor_programs: self.ancestor_programs.max(other.ancestor_programs),
        }
    }

    /// The requirements of the active rules.
    pub(super) fn of(rules: &falco_rules::RuleSet<Syscall>) -> Self {
        let in_place = |host| {
            let matches = |all: Kinds, kind| all.with_if(kind, rules.can_match(class(kind, host)));
            Kind::ALL.into_iter().fold(Kinds::NONE, matches)
        };
        let reach = Reach {
            container: in_place(false),
            host: in_place(true),
        };
        let connects = reach.kinds().contains(Kind::Connect);
        let names = connects.then(|| names(rules, of_kind(Kind::Connect)));
        let mut this = Self {
            reach,
            connects: Connects {
                unix: Peer::Unix.is_wanted(rules),
                inet: Peer::Inet4.is_wanted(rules) || Peer::Inet6.is_wanted(rules),
                loopback: Peer::Loopback4.is_wanted(rules) || Peer::Loopback6.is_wanted(rules),
                other_families: Peer::Other.is_wanted(rules),
                names: names.flatten(),
            },
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
        let asked = self.needs.contains(Needs::PROGRAM) && kind != Kind::Exec;
        let kinds = if host {
            &mut self.programs.host
        } else {
            &mut self.programs.container
        };
        *kinds = kinds.with_if(kind, asked);
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
