//! What must be captured and gathered for a set of rules.

use std::collections::BTreeSet;

use super::{
    ExtraField, Rule,
    compile::{Checks, Graph, NodeId, names},
    set::{Program, program},
};
use crate::{
    capture::Name,
    event::Kind,
    fields::{ANCESTORS_MAX, Argument, FieldRef, Needs},
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
    /// Successful execs.
    pub exec: Reach,
    /// Failed execs.
    pub exec_failed: Reach,
    /// Connects.
    pub connect: Reach,
    /// Of the failed execs: those of which the program that called is asked for.
    pub exec_failed_program: Reach,
    /// Of the connects: those of which the program that called is asked for.
    pub connect_program: Reach,
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
        self.exec.host || self.exec_failed.host || self.connect.host
    }

    /// Of whom events of a kind can match.
    #[must_use]
    pub fn reach(&self, kind: Kind) -> Reach {
        match kind {
            Kind::Exec => self.exec,
            Kind::ExecFailed => self.exec_failed,
            Kind::Connect => self.connect,
        }
    }

    /// Of whose events of a kind it is asked which program the process runs. An exec tells
    /// that itself.
    #[must_use]
    pub fn program(&self, kind: Kind) -> Reach {
        match kind {
            Kind::Exec => Reach::default(),
            Kind::ExecFailed => self.exec_failed_program,
            Kind::Connect => self.connect_program,
        }
    }

    /// What programs and the outputs of their rules need.
    pub(super) fn of(
        graph: &Graph,
        checks: &Checks,
        programs: &[Program; 6],
        rules: &[Rule],
    ) -> Self {
        let reach = |kind| Reach {
            container: !programs[program(kind, false)].rules.is_empty(),
            host: !programs[program(kind, true)].rules.is_empty(),
        };
        let mut this = Self {
            exec: reach(Kind::Exec),
            exec_failed: reach(Kind::ExecFailed),
            connect: reach(Kind::Connect),
            ..Self::default()
        };
        let connects = [false, true].map(|host| &programs[program(Kind::Connect, host)].rules);
        let conditions = connects.into_iter().flatten().map(|(_, node)| *node);
        this.connect_names = names(graph, checks, conditions).filter(|_| this.connect.any());
        for kind in [Kind::Exec, Kind::ExecFailed, Kind::Connect] {
            for host in [false, true] {
                let others = std::mem::take(&mut this.needs);
                for (rule, node) in &programs[program(kind, host)].rules {
                    this.condition(graph, checks, *node);
                    this.output(&rules[*rule as usize]);
                }
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
        let of_kind = match kind {
            Kind::Exec => return,
            Kind::ExecFailed => &mut self.exec_failed_program,
            Kind::Connect => &mut self.connect_program,
        };
        *of_kind = of_kind.or(place);
    }

    fn condition(&mut self, graph: &Graph, checks: &Checks, node: NodeId) {
        graph.checks(node, &mut |check, _| {
            let check = checks.get(check);
            self.operand(checks, check.operand);
            if let super::compile::Test::Operand(_, right) = &check.test {
                self.operand(checks, *right);
            }
        });
    }

    fn operand(&mut self, checks: &Checks, operand: u32) {
        let operand = &checks.operands[operand as usize].operand;
        operand.fields(&mut |field| self.field(field));
    }

    fn output(&mut self, rule: &Rule) {
        rule.output
            .fields()
            .iter()
            .for_each(|field| self.field(field));
        for extra in &rule.extra {
            match extra {
                ExtraField::Field(field) => self.field(field),
                ExtraField::Text(_, template) => {
                    template.fields().iter().for_each(|field| self.field(field));
                }
            }
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
