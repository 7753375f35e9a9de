//! `fd.*`: the socket of a connect.

use super::{Context, Field, Value};

/// Names of a connect's arguments, in the order in which `evt.args` has them.
pub(super) const ARGUMENTS: &[&str] = &[];

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[];

/// An argument of a connect by its name.
pub(super) fn argument<'a>(_: &Context<'a>, _: &str) -> Value<'a> {
    Value::Absent
}
