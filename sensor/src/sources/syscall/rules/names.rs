//! The process names that conditions require, so that the kernel side can leave out the events of
//! all other processes.

use std::collections::BTreeSet;

use falco_rules::Classes;

use crate::sources::syscall::{capture::Name, fields::Syscall};

/// Most names that the sensor gives to the kernel side.
const NAMES_MAX: usize = 256;

/// The process names without which no event of the given classes matches a rule; none if a rule can
/// match a process of any name.
pub(super) fn names(
    rules: &falco_rules::RuleSet<Syscall>,
    classes: Classes,
) -> Option<BTreeSet<Name>> {
    let names = rules.constants(classes, "proc.name", |text| {
        // The replacement character stands for any byte that cannot be printed.
        let exact = !text.contains(char::REPLACEMENT_CHARACTER);
        exact.then(|| name(text).into_iter().collect())
    })?;
    (names.len() <= NAMES_MAX).then_some(names)
}

/// A name as the kernel has it; none if no process can have that name.
fn name(text: &str) -> Option<Name> {
    let mut name = Name::default();
    let fits = text.len() < name.len();
    fits.then(|| {
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    })
}
