//! The table of all fields.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::{Syscall, Type};

/// A field of this sensor.
pub type Field = falco_rules::Field<Syscall>;
/// What gives a field's value for an event.
pub(super) type Getter = falco_rules::Getter<Syscall>;
/// A field of this sensor with its argument.
pub type FieldRef = falco_rules::FieldRef<Syscall>;
/// A template of an output with this sensor's fields.
pub type Template = falco_rules::Template<Syscall>;

/// What the sensor must collect for a field to have its value. The needs of a rule set are the
/// union over its fields, and the kernel side collects no more than these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u16);

impl Needs {
    /// Nothing beyond what every record has.
    pub const NOTHING: Self = Self(0);
    /// The environment.
    pub const ENV: Self = Self(1 << 0);
    /// Ancestors beyond the parent.
    pub const ANCESTORS: Self = Self(1 << 1);
    /// Container metadata from the runtime.
    pub const CONTAINER: Self = Self(1 << 2);
    /// Pod metadata from the API server, or from the sandbox.
    pub const POD: Self = Self(1 << 3);
    /// Names of users and groups.
    pub const USERS: Self = Self(1 << 4);
    /// The program that the process runs, which only the record of an exec contains.
    pub const PROGRAM: Self = Self(1 << 5);
    /// The programs that the ancestors of the process run.
    pub const ANCESTOR_PROGRAMS: Self = Self(1 << 6);
    /// Threads, memory and descriptors of the process.
    pub const FIGURES: Self = Self(1 << 7);

    /// All there is.
    pub const ALL: Self = Self((1 << 8) - 1);

    /// These needs without the others.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The needs of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether these needs include all of `other`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A row of a field that every event has, and for which nothing is gathered. A row says what else
/// holds for its field by `Field { …, ..field(…) }`.
pub(super) const fn field(name: &'static str, ty: Type, doc: &'static str, get: Getter) -> Field {
    Field::new(name, ty, Needs::NOTHING, doc, get)
}

/// Every field, class by class.
pub fn all() -> impl Iterator<Item = &'static Field> {
    [
        super::evt::FIELDS,
        super::arguments::fields(),
        super::process::FIELDS,
        super::environment::FIELDS,
        super::ancestors::FIELDS,
        super::thread::FIELDS,
        super::user::FIELDS,
        super::fd::FIELDS,
        super::figures::FIELDS,
        super::container::FIELDS,
        super::probes::FIELDS,
        super::k8s::FIELDS,
        super::k8smeta::FIELDS,
    ]
    .into_iter()
    .flatten()
}

/// The field of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Field> {
    static BY_NAME: LazyLock<FxHashMap<&'static str, &'static Field>> =
        LazyLock::new(|| all().map(|field| (field.name, field)).collect());
    BY_NAME.get(name).copied()
}
