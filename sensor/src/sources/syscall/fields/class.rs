//! Classes of events: for each kind the events of the host, and those of containers.

use falco_rules::{Classes, Fact, Facts};
use sensor_ebpf::{Form, KINDS, SystemCall};

use super::Value;
use crate::sources::syscall::event::Kind;

/// The number of classes.
pub(super) const CLASSES: usize = 2 * KINDS;

/// Successful and failed execs.
pub(super) const EXEC: Classes = of_kind(Kind::Exec).union(of_kind(Kind::ExecFailed));
/// Connects.
pub(super) const CONNECT: Classes = of_kind(Kind::Connect);
/// Plain system calls with a descriptor among their arguments.
pub(super) const DESCRIPTOR_CALLS: Classes = {
    let mut classes = Classes::NONE;
    let mut call = 0;
    while call < SystemCall::ALL.len() {
        if descriptor(&SystemCall::ALL[call]).is_some() {
            classes = classes.union(of_kind(SystemCall::ALL[call].kind));
        }
        call += 1;
    }
    classes
};

/// The index of the descriptor among a plain system call's arguments.
pub(super) const fn descriptor(call: &SystemCall) -> Option<usize> {
    let mut argument = 0;
    while argument < call.arguments.len() {
        if matches!(call.arguments[argument].form, Form::Descriptor) {
            return Some(call.arguments[argument].register);
        }
        argument += 1;
    }
    None
}

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

/// The values of the fields of a process outside of containers.
pub(crate) const HOST: [(&str, Value<'static>); 13] = [
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
    ("k8smeta.pod.name", Value::Absent),
    ("k8smeta.ns.name", Value::Absent),
];

/// Fields that are false for all events.
const FALSE: [&str; 9] = [
    "evt.is_io",
    "evt.is_io_read",
    "evt.is_io_write",
    "evt.is_wait",
    "evt.is_syslog",
    "evt.is_open_read",
    "evt.is_open_write",
    "evt.is_open_exec",
    "evt.is_open_create",
];

/// The facts that hold for all events of a class.
pub(super) fn facts(class: usize) -> Facts {
    // Events are counted from 1: `evt.num = 0`, Falco's way to write "never", costs nothing.
    let facts = Facts::default()
        .with("evt.dir", Fact::Is(Value::Str("<")))
        .with("evt.num", Fact::Range(1, i128::MAX));
    let facts = FALSE.into_iter().fold(facts, |facts, field| {
        facts.with(field, Fact::Is(Value::Bool(false)))
    });
    let Some(kind) = Kind::ALL.get(class / 2) else {
        return facts;
    };
    let is = match kind.types() {
        [only] => Fact::Is(Value::Str(only)),
        several => Fact::OneOf(several),
    };
    let facts = facts
        .with("evt.type", is)
        .with("evt.category", Fact::Is(Value::Str(kind.category())));
    let facts = match kind {
        Kind::Exec => facts
            .with("evt.failed", Fact::Is(Value::Bool(false)))
            .with("evt.res", Fact::Is(Value::Str("SUCCESS")))
            .with("evt.rawres", Fact::Is(Value::Int(0))),
        Kind::ExecFailed => facts
            .with("evt.failed", Fact::Is(Value::Bool(true)))
            .with("evt.rawres", Fact::Range(-4095, -1)),
        _ => facts,
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
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(class(kind, false), 2 * number);
            assert_eq!(class(kind, true), 2 * number + 1);
        }
    }
}
