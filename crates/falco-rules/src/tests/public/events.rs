//! A source whose events have any field.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{LazyLock, Mutex},
};

use bumpalo::Bump;

use crate::{Argument, ArgumentKind, Field, Source, Type, Value};

/// Events with any field of Falco.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anything {}

/// The value of a field.
#[derive(Clone, Debug)]
pub(super) enum Given {
    Text(String),
    Number(i64),
    Bool(bool),
    Address(IpAddr),
}

/// The fields that the event has, as a condition writes them.
#[derive(Debug, Default)]
pub(super) struct Event {
    pub(super) fields: BTreeMap<String, Given>,
    arena: Bump,
}

impl Event {
    pub(super) fn new(fields: BTreeMap<String, Given>) -> Self {
        Self {
            fields,
            arena: Bump::new(),
        }
    }

    fn get(&self, key: &str) -> Value<'_> {
        match self.fields.get(key) {
            None => Value::Absent,
            Some(Given::Text(text)) => Value::Str(text),
            Some(Given::Number(number)) => Value::Int(*number),
            Some(Given::Bool(is)) => Value::Bool(*is),
            Some(Given::Address(address)) => Value::Ip(*address),
        }
    }

    /// The values of a field that stands for two.
    fn either(&self, first: &str, second: &str) -> Value<'_> {
        let both = [self.get(first), self.get(second)];
        let there = both.into_iter().filter(|value| !value.is_absent());
        let values = self.arena.alloc_slice_fill_iter(there.collect::<Vec<_>>());
        if values.is_empty() {
            Value::Absent
        } else {
            Value::List(values)
        }
    }
}

/// The type of a field; most are texts.
pub(super) fn type_of(name: &str) -> Type {
    match name {
        "evt.is_open_read" | "evt.is_open_write" | "fd.connected" | "fd.name_changed" => Type::Bool,
        "evt.num" | "evt.rawres" | "fd.num" | "fd.port" | "fd.sport" | "fd.lport" | "fd.rport"
        | "proc.duration" | "proc.vpid" | "proc.tty" | "user.uid" => Type::Number,
        "fd.ip" | "fd.sip" | "fd.cip" => Type::Ip,
        "fd.net" | "fd.snet" | "fd.rnet" => Type::Net,
        _ => Type::String,
    }
}

/// Fields with something in brackets, and fields that stand for two.
static SPECIAL: LazyLock<Vec<Field<Anything>>> = LazyLock::new(|| {
    let text = |name, get| Field::<Anything>::new(name, Type::String, (), "A field.", get);
    let two = |name, get| Field {
        condition_only: true,
        ..Field::<Anything>::new(name, type_of(name), (), "A field.", get)
    };
    vec![
        Field {
            argument: ArgumentKind::OptionalIndex,
            ..text("proc.aname", |event, argument| match argument {
                Argument::Index(n) => event.get(&format!("proc.aname[{n}]")),
                _ => event.either("proc.aname[1]", "proc.aname"),
            })
        },
        Field {
            argument: ArgumentKind::OptionalIndex,
            ..text("proc.aexe", |event, argument| match argument {
                Argument::Index(n) => event.get(&format!("proc.aexe[{n}]")),
                _ => Value::Absent,
            })
        },
        Field {
            argument: ArgumentKind::Name,
            ..text("container.mount.dest", |event, argument| match argument {
                Argument::Name(name) => event.get(&format!("container.mount.dest[{name}]")),
                _ => Value::Absent,
            })
        },
        two("fd.ip", |event, _| event.either("fd.ip", "fd.sip")),
        two("fd.net", |event, _| event.either("fd.net", "fd.snet")),
        two("fd.port", |event, _| event.either("fd.port", "fd.sport")),
    ]
});

impl Source for Anything {
    const NAME: &'static str = "syscall";

    type Event<'e> = Event;
    type Needs = ();

    fn arena(event: &Event) -> &Bump {
        &event.arena
    }

    fn fields() -> impl Iterator<Item = &'static Field<Self>> {
        SPECIAL.iter()
    }

    /// Any name is a field's, of these classes.
    fn field(name: &str) -> Option<&'static Field<Self>> {
        static OTHERS: Mutex<BTreeMap<String, &'static Field<Anything>>> =
            Mutex::new(BTreeMap::new());
        if let Some(field) = SPECIAL.iter().find(|field| field.name == name) {
            return Some(field);
        }
        let (class, rest) = name.split_once('.')?;
        let classes = [
            "evt",
            "fd",
            "proc",
            "thread",
            "user",
            "group",
            "container",
            "k8s",
            "fs",
            "probe",
        ];
        if !classes.contains(&class) || rest.is_empty() || rest.ends_with('.') {
            return None;
        }
        let mut others = OTHERS.lock().unwrap();
        Some(others.entry(name.to_owned()).or_insert_with(|| {
            let name: &'static str = name.to_owned().leak();
            let field =
                Field::<Self>::new(name, type_of(name), (), "A field.", |event, argument| {
                    match argument {
                        Argument::Name(name) => event.get(name),
                        _ => Value::Absent,
                    }
                });
            Box::leak(Box::new(Field {
                preset: Some(name),
                ..field
            }))
        }))
    }

    fn is_event_type(_: &str) -> bool {
        true
    }
}
