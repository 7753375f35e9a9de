//! A source for tests: execs, failed execs and connects of programs.

use std::net::IpAddr;

use bumpalo::{Bump, collections::Vec as BumpVec};

use crate::{
    Argument, ArgumentKind, Classes, Fact, Facts, Field, Getter, Obsolete, Source, Type, Value,
    sanitize,
};

/// Execs, failed execs and connects of programs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Programs {}

/// The kind of the event.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Exec,
    ExecFailed,
    Connect { local: IpAddr, remote: IpAddr },
}

/// An event of a program.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) act: Act,
    pub(super) path: String,
    pub(super) args: Vec<&'static str>,
    pub(super) ancestors: Vec<&'static str>,
}

impl Program {
    /// The exec of a program by a shell.
    pub(super) fn exec(path: &str, args: &[&'static str]) -> Self {
        Self {
            act: Act::Exec,
            path: path.to_owned(),
            args: args.to_vec(),
            ancestors: vec!["bash", "systemd"],
        }
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// A program, and memory for what is made for it.
pub(super) struct Event<'e> {
    pub(super) program: &'e Program,
    pub(super) arena: &'e Bump,
}

const EXEC: Classes = Classes::one(0).union(Classes::one(1));
const CONNECT: Classes = Classes::one(2);

const fn field(name: &'static str, ty: Type, get: Getter<Programs>) -> Field<Programs> {
    Field::<Programs>::new(name, ty, (), "A field.", get)
}

const fn of_connects(
    name: &'static str,
    ty: Type,
    condition_only: bool,
    get: Getter<Programs>,
) -> Field<Programs> {
    Field {
        classes: CONNECT,
        condition_only,
        each: condition_only,
        ..field(name, ty, get)
    }
}

/// A field that no event has.
const fn known(name: &'static str) -> Field<Programs> {
    Field {
        classes: Classes::NONE,
        ..field(name, Type::String, |_, _| Value::Absent)
    }
}

static FIELDS: &[Field<Programs>] = &[
    field("evt.type", Type::String, |e, _| {
        Value::Str(match e.program.act {
            Act::Exec | Act::ExecFailed => "execve",
            Act::Connect { .. } => "connect",
        })
    }),
    Field {
        deprecated: Some("all events are results, it is always '<'"),
        ..field("evt.dir", Type::String, |_, _| Value::Str("<"))
    },
    field("evt.failed", Type::Bool, |e, _| {
        Value::Bool(matches!(e.program.act, Act::ExecFailed))
    }),
    field("proc.name", Type::String, |e, _| {
        Value::Str(e.program.name())
    }),
    field("proc.pname", Type::String, |e, _| ancestor(e, 1)),
    Field {
        argument: ArgumentKind::OptionalIndex,
        last: Some(16),
        ..field("proc.aname", Type::String, |e, a| match a {
            Argument::Index(n) => ancestor(e, *n as usize),
            _ => texts(e, &e.program.ancestors),
        })
    },
    field("proc.pid", Type::Number, |_, _| Value::Uint(1000)),
    field("proc.ppid", Type::Number, |_, _| Value::Uint(999)),
    field("proc.tty", Type::Number, |_, _| Value::Uint(0)),
    field("proc.exepath", Type::String, |e, _| {
        Value::Str(&e.program.path)
    }),
    field("proc.cmdline", Type::String, |e, _| {
        let line = format!("{} {}", e.program.name(), e.program.args.join(" "));
        Value::Str(e.arena.alloc_str(line.trim_end()))
    }),
    Field {
        classes: EXEC,
        argument: ArgumentKind::Index,
        parts: Some(|e, _| texts(e, &e.program.args)),
        ..field("proc.args", Type::String, |e, a| match a {
            Argument::Index(n) => {
                let argument = e.program.args.get(*n as usize);
                argument.map_or(Value::Absent, |text| Value::Str(text))
            }
            _ => Value::Str(e.arena.alloc_str(&e.program.args.join(" "))),
        })
    },
    Field {
        argument: ArgumentKind::OptionalName,
        ..field("proc.env", Type::String, variable)
    },
    Field {
        preset: Some("HOME"),
        ..field("proc.env.HOME", Type::String, variable)
    },
    of_connects("fd.sip", Type::Ip, false, |e, _| remote(e)),
    of_connects("fd.snet", Type::Net, true, |e, _| remote(e)),
    of_connects("fd.ip", Type::Ip, true, |e, _| match e.program.act {
        Act::Connect { local, remote } => {
            Value::List(e.arena.alloc([Value::Ip(local), Value::Ip(remote)]))
        }
        _ => Value::Absent,
    }),
    known("fd.directory"),
    known("container.info"),
];

/// The value of a variable is its name.
fn variable<'e>(event: &'e Event<'e>, argument: &Argument) -> Value<'e> {
    match argument {
        Argument::Name(name) => {
            let name = event.arena.alloc_slice_copy(name.as_bytes());
            Value::Str(sanitize(name, event.arena))
        }
        _ => Value::Absent,
    }
}

fn ancestor<'e>(event: &'e Event<'e>, n: usize) -> Value<'e> {
    let ancestors = &event.program.ancestors;
    match n.checked_sub(1) {
        None => Value::Str(event.program.name()),
        Some(n) => ancestors
            .get(n)
            .map_or(Value::Absent, |name| Value::Str(name)),
    }
}

fn texts<'e>(event: &'e Event<'e>, texts: &'e [&'static str]) -> Value<'e> {
    let mut values = BumpVec::new_in(event.arena);
    values.extend(texts.iter().map(|text| Value::Str(text)));
    Value::List(values.into_bump_slice())
}

fn remote<'e>(event: &'e Event<'e>) -> Value<'e> {
    match event.program.act {
        Act::Connect { remote, .. } => Value::Ip(remote),
        _ => Value::Absent,
    }
}

impl Source for Programs {
    const NAME: &'static str = "syscall";
    const CLASSES: usize = 3;
    const PLUGINS: &'static [(&'static str, &'static str)] = &[("container", "0.7.1")];
    const OBSOLETE: &'static [Obsolete] = &[Obsolete {
        text: "%container.info",
        hint: "remove it",
    }];

    type Event<'e> = Event<'e>;
    type Needs = ();

    fn arena<'e>(event: &'e Event<'e>) -> &'e Bump {
        event.arena
    }

    fn class(event: &Event<'_>) -> usize {
        match event.program.act {
            Act::Exec => 0,
            Act::ExecFailed => 1,
            Act::Connect { .. } => 2,
        }
    }

    fn facts(class: usize) -> Facts {
        let facts = Facts::default();
        let failed = |facts: Facts, is| facts.with("evt.failed", Fact::Is(Value::Bool(is)));
        match class {
            0 => failed(facts, false).with("evt.type", Fact::Is(Value::Str("execve"))),
            1 => failed(facts, true).with("evt.type", Fact::OneOf(&["execve", "execveat"])),
            _ => facts.with("evt.type", Fact::Is(Value::Str("connect"))),
        }
    }

    fn fields() -> impl Iterator<Item = &'static Field<Self>> {
        FIELDS.iter()
    }

    fn event_types() -> impl Iterator<Item = &'static str> {
        ["execve", "execveat", "connect", "open", "openat", "sendto"].into_iter()
    }
}
