//! What must be captured and gathered for a set of rules.

use std::collections::BTreeSet;

use super::{
    ExtraField, Rule,
    compile::{Checks, Graph, names},
    set::{Program, program},
};
use crate::{
    capture::Name,
    event::Kind,
    fields::{Argument, FieldRef, Needs},
};

/// Ancestors that a field without index looks at.
const ALL_ANCESTORS: u32 = 16;

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
        let mut seen = vec![false; rules.len()];
        for (rule, node) in programs.iter().flat_map(|program| &program.rules) {
            graph.checks(*node, &mut |check, _| {
                let check = checks.get(check);
                this.operand(checks, check.operand);
                if let super::compile::Test::Operand(_, right) = &check.test {
                    this.operand(checks, *right);
                }
            });
            let rule = *rule as usize;
            if !std::mem::replace(&mut seen[rule], true) {
                this.output(&rules[rule]);
            }
        }
        this
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
        self.needs = self.needs.union(field.field.needs);
        if field.field.needs.contains(Needs::ANCESTORS) {
            self.ancestors = self.ancestors.max(match field.argument {
                Argument::Index(index) => index.min(ALL_ANCESTORS),
                _ => ALL_ANCESTORS,
            });
        }
    }
}
