//! Classes of events: of each kind those of containers, and those of the host.

use falco_rules::{Classes, Fact, Facts};

use super::Value;
use crate::sources::syscall::event::Kind;

/// Every kind, by its number.
const KINDS: [Kind; 3] = [Kind::Exec, Kind::ExecFailed, Kind::Connect];

/// How many classes there are.
pub(super) const CLASSES: usize = 2 * KINDS.len();

/// Successful and failed execs.
pub(super) const EXEC: Classes = of_kind(Kind::Exec).union(of_kind(Kind::ExecFailed));
/// Connects.
pub(super) const CONNECT: Classes = of_kind(Kind::Connect);

/// The class of events of a kind, of the host or of containers.
#[must_use]
pub const fn class(kind: Kind, host: bool) -> usize {
    kind as usize * 2 + host as usize
}

/// The classes of events of a kind.
#[must_use]
pub const fn of_kind(kind: Kind) -> Classes {
    Classes::one(class(kind, false)).union(Classes::one(class(kind, true)))
}

/// What the fields of a process in no container are.
pub(crate) const HOST: [(&str, Value<'static>); 11] = [
    ("container.id", Value::Str("host")),
    ("container.full_id", Value::Str("host")),
    ("container.name", Value::Str("host")),
    ("container.type", Value::Str("host")),
    ("container.privileged", Value::Bool(false)),
    ("container.image", Value::Str("")),
    ("container.image.repository", Value::Str("")),
    ("container.image.tag", Value::Str("")),
    ("k8s.pod.name", Value::Absent),
    ("k8s.pod.uid", Value::Absent),
    ("k8s.ns.name", Value::Absent),
];

/// What is known of all events of a class.
pub(super) fn facts(class: usize) -> Facts {
    let facts = Facts::default().with("evt.dir", Fact::Is(Value::Str("<")));
    let facts = match KINDS.get(class / 2) {
        Some(Kind::Exec) => facts
            .with("evt.type", Fact::Is(Value::Str("execve")))
            .with("evt.failed", Fact::Is(Value::Bool(false)))
            .with("evt.res", Fact::Is(Value::Str("SUCCESS")))
            .with("evt.rawres", Fact::Is(Value::Int(0))),
        Some(Kind::ExecFailed) => facts
            .with("evt.type", Fact::OneOf(&["execve", "execveat"]))
            .with("evt.failed", Fact::Is(Value::Bool(true)))
            .with("evt.rawres", Fact::Range(-4095, -1)),
        Some(Kind::Connect) => facts.with("evt.type", Fact::Is(Value::Str("connect"))),
        None => return facts,
    };
    if class.is_multiple_of(2) {
        return facts.with("container.id", Fact::NoneOf(&["host"]));
    }
    HOST.into_iter().fold(facts, |facts, (field, value)| {
        facts.with(field, Fact::Is(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_number() {
        for (number, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(class(kind, false), 2 * number);
            assert_eq!(class(kind, true), 2 * number + 1);
        }
    }
}
