//! `proc.p*`, `proc.a*`: the ancestors of the process, and the leaders of its session and its
//! process group.

use bumpalo::collections::Vec;

use super::{
    Argument, ArgumentKind, Context, Field, Needs, Type, Value,
    environment::environment,
    field,
    process::{is_container_init, utc},
};
use crate::sources::syscall::{
    event::{Ancestor, task_flag},
    lineage::comm,
};

/// Most ancestors of an event, and the largest index in brackets.
#[expect(clippy::cast_possible_truncation, reason = "it is 16")]
pub const ANCESTORS_MAX: u32 = sensor_ebpf::ANCESTORS_MAX as u32;

type Getter = for<'a> fn(&Context<'a>, &Argument) -> Value<'a>;

/// A field of ancestors, with or without an index.
const fn indexed(name: &'static str, ty: Type, doc: &'static str, get: Getter) -> Field {
    Field {
        argument: ArgumentKind::OptionalIndex,
        last: Some(ANCESTORS_MAX),
        needs: Needs::ANCESTORS,
        ..field(name, ty, doc, get)
    }
}

/// A field that looks at all ancestors.
const fn above(name: &'static str, ty: Type, doc: &'static str, get: Getter) -> Field {
    Field {
        needs: Needs::ANCESTORS,
        ..field(name, ty, doc, get)
    }
}

/// A field of the parent's program.
const fn parent(name: &'static str, ty: Type, doc: &'static str, get: Getter) -> Field {
    Field {
        needs: Needs::ANCESTOR_PROGRAMS,
        ..field(name, ty, doc, get)
    }
}

/// A field of ancestors' programs, with or without an index.
const fn program(name: &'static str, ty: Type, doc: &'static str, get: Getter) -> Field {
    Field {
        needs: Needs::ANCESTORS.union(Needs::ANCESTOR_PROGRAMS),
        ..indexed(name, ty, doc, get)
    }
}

/// A field of the program of one of the ancestors, or of the process itself.
const fn leader(name: &'static str, ty: Type, doc: &'static str, get: Getter) -> Field {
    let needs = Needs::ANCESTORS.union(Needs::ANCESTOR_PROGRAMS);
    Field {
        needs: needs.union(Needs::PROGRAM),
        ..field(name, ty, doc, get)
    }
}

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    field(
        "proc.ppid",
        Type::Number,
        "Process id of the parent.",
        |c, _| match c.event.task.ppid {
            0 => Value::Absent,
            ppid => Value::Uint(ppid.into()),
        },
    ),
    field(
        "proc.pvpid",
        Type::Number,
        "Process id of the parent in its own pid namespace.",
        |c, _| {
            c.ancestor(1)
                .map_or(Value::Absent, |a| Value::Uint(a.vtgid.into()))
        },
    ),
    field("proc.pname", Type::String, "Name of the parent.", |c, _| {
        name(c, 1)
    }),
    parent(
        "proc.pexe",
        Type::String,
        "argv[0] of the parent.",
        |c, _| exe(c, 1),
    ),
    parent(
        "proc.pexepath",
        Type::String,
        "Path of the parent's executable.",
        |c, _| exepath(c, 1),
    ),
    parent(
        "proc.pcmdline",
        Type::String,
        "Name and arguments of the parent.",
        |c, _| cmdline(c, 1),
    ),
    field(
        "proc.ppid.ts",
        Type::Number,
        "When the parent started, nanoseconds since the epoch.",
        |c, _| {
            c.ancestor(1)
                .map_or(Value::Absent, |a| Value::Uint(utc(c, a.start)))
        },
    ),
    field(
        "proc.ppid.duration",
        Type::Number,
        "Nanoseconds since the parent started.",
        |c, _| {
            c.ancestor(1).map_or(Value::Absent, |a| {
                Value::Uint(c.event.header.time.saturating_sub(a.start))
            })
        },
    ),
    indexed(
        "proc.apid",
        Type::Number,
        "Process id of an ancestor; without an index any of them.",
        |c, a| match a {
            Argument::Index(n) => pid(c, *n),
            Argument::None | Argument::Name(_) => any(c, pid),
        },
    ),
    indexed(
        "proc.aname",
        Type::String,
        "Name of an ancestor; without an index any of them.",
        |c, a| match a {
            Argument::Index(n) => name(c, *n),
            Argument::None | Argument::Name(_) => any(c, name),
        },
    ),
    program(
        "proc.aexe",
        Type::String,
        "argv[0] of an ancestor; without an index any of them.",
        |c, a| match a {
            Argument::Index(n) => exe(c, *n),
            Argument::None | Argument::Name(_) => any(c, exe),
        },
    ),
    program(
        "proc.aexepath",
        Type::String,
        "Path of an ancestor's executable; without an index any of them.",
        |c, a| match a {
            Argument::Index(n) => exepath(c, *n),
            Argument::None | Argument::Name(_) => any(c, exepath),
        },
    ),
    program(
        "proc.acmdline",
        Type::String,
        "Name and arguments of an ancestor; without an index any of them.",
        |c, a| match a {
            Argument::Index(n) => cmdline(c, *n),
            Argument::None | Argument::Name(_) => any(c, cmdline),
        },
    ),
    Field {
        argument: ArgumentKind::OptionalName,
        needs: Needs::ENV.union(Needs::ANCESTORS),
        ..field(
            "proc.aenv",
            Type::String,
            "Environment of the ancestors, or one variable of it, in any of them.",
            |c, a| {
                let mut values = Vec::new_in(c.arena);
                for n in 1..=count(c) {
                    if let Some(program) = c.program_of(n) {
                        match environment(c, program.env, a, usize::MAX) {
                            Value::Absent => {}
                            Value::List(several) => values.extend_from_slice(several),
                            value => values.push(value),
                        }
                    }
                }
                list(values)
            },
        )
    },
    above(
        "proc.sname",
        Type::String,
        "Name of the oldest known ancestor in the same session, or of the process itself.",
        |c, _| {
            if is_container_init(c) {
                return Value::Str("");
            }
            name(c, session_leader(c))
        },
    ),
    leader(
        "proc.sid.exe",
        Type::String,
        "argv[0] of the process that `proc.sname` names.",
        |c, _| exe(c, session_leader(c)),
    ),
    leader(
        "proc.sid.exepath",
        Type::String,
        "Path of the executable of the process that `proc.sname` names.",
        |c, _| exepath(c, session_leader(c)),
    ),
    above(
        "proc.pgid.name",
        Type::String,
        "Name of the leader of the process group, if it is an ancestor or the process itself.",
        |c, _| group_leader(c).map_or(Value::Absent, |n| name(c, n)),
    ),
    leader(
        "proc.pgid.exe",
        Type::String,
        "argv[0] of the leader of the process group.",
        |c, _| group_leader(c).map_or(Value::Absent, |n| exe(c, n)),
    ),
    leader(
        "proc.pgid.exepath",
        Type::String,
        "Path of the executable of the leader of the process group.",
        |c, _| group_leader(c).map_or(Value::Absent, |n| exepath(c, n)),
    ),
    above(
        "proc.vpgid.name",
        Type::String,
        "The same as `proc.pgid.name`.",
        |c, _| group_leader(c).map_or(Value::Absent, |n| name(c, n)),
    ),
    leader(
        "proc.vpgid.exe",
        Type::String,
        "The same as `proc.pgid.exe`.",
        |c, _| group_leader(c).map_or(Value::Absent, |n| exe(c, n)),
    ),
    leader(
        "proc.vpgid.exepath",
        Type::String,
        "The same as `proc.pgid.exepath`.",
        |c, _| group_leader(c).map_or(Value::Absent, |n| exepath(c, n)),
    ),
    above(
        "proc.loginshellid",
        Type::Number,
        "Process id of the oldest ancestor, or of the process itself, whose name ends in `sh`.",
        |c, _| {
            let shell = |name: &[u8]| name.ends_with(b"sh");
            c.event
                .ancestors()
                .filter(|a| shell(comm(&a.comm)))
                .last()
                .map(|a| a.tgid)
                .or_else(|| shell(comm(&c.event.task.comm)).then_some(c.event.task.tgid))
                .map_or(Value::Absent, |pid| Value::Uint(pid.into()))
        },
    ),
];

/// How many ancestors the record has.
fn count(c: &Context<'_>) -> u32 {
    u32::try_from(c.event.ancestors().len()).unwrap_or(0)
}

/// The values of all ancestors, nearest first.
fn any<'a>(c: &Context<'a>, get: fn(&Context<'a>, u32) -> Value<'a>) -> Value<'a> {
    let mut values = Vec::new_in(c.arena);
    values.extend((1..=count(c)).map(|n| get(c, n)).filter(|v| !v.is_absent()));
    list(values)
}

fn list<'a>(values: Vec<'a, Value<'a>>) -> Value<'a> {
    if values.is_empty() {
        Value::Absent
    } else {
        Value::List(values.into_bump_slice())
    }
}

fn pid<'a>(c: &Context<'a>, n: u32) -> Value<'a> {
    match n {
        0 => Value::Uint(c.event.task.tgid.into()),
        _ => c
            .ancestor(n)
            .map_or(Value::Absent, |a| Value::Uint(a.tgid.into())),
    }
}

fn name<'a>(c: &Context<'a>, n: u32) -> Value<'a> {
    match n {
        0 => Value::Str(c.comm()),
        _ => c
            .ancestor(n)
            .map_or(Value::Absent, |a| Value::Str(name_of(c, &a))),
    }
}

/// The name of the program that an ancestor executed, as in Falco: a process that renames itself
/// does not change this name. If the program is not known, the name that the ancestor has now.
fn name_of<'a>(c: &Context<'a>, ancestor: &Ancestor) -> &'a str {
    match c.lineage.of_ancestor(ancestor) {
        Some(program) => c.text(program.comm),
        None => c.text(c.arena.alloc_slice_copy(comm(&ancestor.comm))),
    }
}

fn exe<'a>(c: &Context<'a>, n: u32) -> Value<'a> {
    c.program_of(n).map_or(Value::Absent, |p| {
        Value::Str(c.text(p.argv.first().unwrap_or_default()))
    })
}

fn exepath<'a>(c: &Context<'a>, n: u32) -> Value<'a> {
    match n {
        0 => c.exepath().map_or(Value::Absent, Value::Str),
        _ => c.program_of(n).map_or(Value::Absent, |p| {
            Value::Str(c.exe_path(p.exe, p.exec.as_ref()))
        }),
    }
}

fn cmdline<'a>(c: &Context<'a>, n: u32) -> Value<'a> {
    match n {
        0 => c.cmdline().map_or(Value::Absent, Value::Str),
        _ => match (c.ancestor(n), c.program_of(n)) {
            (Some(ancestor), Some(program)) => {
                Value::Str(c.command_line(name_of(c, &ancestor), program.argv))
            }
            _ => Value::Absent,
        },
    }
}

/// Index of the oldest ancestor in the same session (0: the process itself).
fn session_leader(c: &Context<'_>) -> u32 {
    let n = c
        .event
        .ancestors()
        .take_while(|a| a.flags & task_flag::SAME_SESSION != 0)
        .count();
    u32::try_from(n).unwrap_or(0)
}

/// Index of the ancestor that leads the process group (0: the process itself).
fn group_leader(c: &Context<'_>) -> Option<u32> {
    if c.event.task.pgid == c.event.task.tgid {
        return Some(0);
    }
    let n = c
        .event
        .ancestors()
        .position(|a| a.tgid == c.event.task.pgid)?;
    u32::try_from(n + 1).ok()
}
