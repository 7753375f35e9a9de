//! The table of all fields.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::{Argument, Context, Type, Value};
use crate::event::Kind;

/// What may stand in brackets after a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Nothing.
    None,
    /// A number, or nothing: `proc.aname[2]`, `proc.aname`.
    OptionalIndex,
    /// A number: `proc.args[0]` may also stand alone.
    Index,
    /// A name, or nothing: `proc.env[HOME]`, `proc.env`.
    OptionalName,
    /// A name: `k8s.pod.label[app]`, `evt.arg[filename]`.
    Name,
}

/// For which kinds of event a field can have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// Every event.
    pub const ALL: Self = Self(0b111);
    /// Successful and failed execs.
    pub const EXEC: Self = Self(1 << Kind::Exec as u8 | 1 << Kind::ExecFailed as u8);
    /// Connects.
    pub const CONNECT: Self = Self(1 << Kind::Connect as u8);

    /// Whether events of this kind have it.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

/// What must be gathered for a field to have its value; a rule set's needs are
/// the union over its fields, and the kernel side gathers no more than that.
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
    /// The program that the process runs: events other than execs do not tell it.
    pub const PROGRAM: Self = Self(1 << 5);
    /// The programs that its ancestors run.
    pub const ANCESTOR_PROGRAMS: Self = Self(1 << 6);

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A row of the registry.
#[derive(Debug)]
pub struct Field {
    /// Falco's name.
    pub name: &'static str,
    /// Type of its values.
    pub ty: Type,
    /// What may stand in brackets.
    pub argument: ArgumentKind,
    /// Which events have it.
    pub kinds: Kinds,
    /// What it needs.
    pub needs: Needs,
    /// Meaning, one sentence.
    pub doc: &'static str,
    /// Its value for an event.
    pub get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
    /// For conditions only (`fd.ip`): null in an output.
    pub condition_only: bool,
}

/// Every field, class by class.
pub fn all() -> impl Iterator<Item = &'static Field> {
    [
        super::evt::FIELDS,
        super::process::FIELDS,
        super::ancestors::FIELDS,
        super::thread::FIELDS,
        super::user::FIELDS,
        super::fd::FIELDS,
        super::container::FIELDS,
        super::k8s::FIELDS,
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
