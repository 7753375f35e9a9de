//! Which names of processes conditions ask for, so that the kernel side can leave out
//! what all others do.

use std::collections::BTreeSet;

use falco_rules::Classes;

use crate::sources::syscall::{capture::Name, fields::Syscall};

/// More names than these are not pushed down.
const NAMES_MAX: usize = 256;

/// The names of processes without which no event of some classes matches a rule; none if some rule
/// can match whatever the process's name is.
pub(super) fn names(
    rules: &falco_rules::RuleSet<Syscall>,
    classes: Classes,
) -> Option<BTreeSet<Name>> {
    let names = rules.constants(classes, "proc.name", |text| {
        // It stands for any byte that cannot be printed.
        let exact = !text.contains(char::REPLACEMENT_CHARACTER);
        exact.then(|| name(text).into_iter().collect())
    })?;
    (names.len() <= NAMES_MAX).then_some(names)
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
