//! Which names of processes conditions ask for, so that the kernel side can leave out
//! what all others do.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::{Check, Checks, Expr, Graph, NodeId, Test, test::Several};
use crate::{capture::Name, fields::Operand};

/// More names than these are not pushed down.
const NAMES_MAX: usize = 256;

/// The names of which the process must have one for any of the conditions to be true;
/// none if some condition can be true whatever the name.
#[must_use]
pub(crate) fn names(
    graph: &Graph,
    checks: &Checks,
    conditions: impl Iterator<Item = NodeId>,
) -> Option<BTreeSet<Name>> {
    let mut finder = Finder {
        graph,
        checks,
        known: FxHashMap::default(),
    };
    let mut all = BTreeSet::new();
    for condition in conditions {
        all.extend(finder.of(condition)?);
    }
    (all.len() <= NAMES_MAX).then_some(all)
}

struct Finder<'a> {
    graph: &'a Graph,
    checks: &'a Checks,
    known: FxHashMap<NodeId, Option<BTreeSet<Name>>>,
}

impl Finder<'_> {
    fn of(&mut self, node: NodeId) -> Option<BTreeSet<Name>> {
        if let Some(names) = self.known.get(&node) {
            return names.clone();
        }
        let names = match self.graph.get(node) {
            Expr::False => Some(BTreeSet::new()),
            Expr::True | Expr::Not(_) => None,
            Expr::Check(check) => self.of_check(self.checks.get(*check)),
            Expr::And(parts) => parts
                .iter()
                .filter_map(|part| self.of(*part))
                .min_by_key(BTreeSet::len),
            Expr::Or(parts) => parts.iter().try_fold(BTreeSet::new(), |mut all, part| {
                all.extend(self.of(*part)?);
                Some(all)
            }),
        };
        self.known.insert(node, names.clone());
        names
    }

    /// Of `proc.name = a` and `proc.name in (a, b)`.
    fn of_check(&self, check: &Check) -> Option<BTreeSet<Name>> {
        let info = &self.checks.operands[check.operand as usize];
        let Test::Symbols(symbols, Several::Any) = &check.test else {
            return None;
        };
        match &info.operand {
            Operand::Field(field) if field.field.name == "proc.name" => {}
            _ => return None,
        }
        let meant = |number: &u32| symbols.contains(*number);
        let texts = info.symbols.iter().filter(|(_, number)| meant(number));
        let mut names = BTreeSet::new();
        for (text, _) in texts {
            // It stands for any byte that cannot be printed.
            if text.contains(char::REPLACEMENT_CHARACTER) {
                return None;
            }
            names.extend(name(text));
        }
        Some(names)
    }
}

/// The kernel's form of a name, if a process can have it.
fn name(text: &str) -> Option<Name> {
    let mut name = Name::default();
    let fits = text.len() < name.len();
    fits.then(|| {
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    })
}
