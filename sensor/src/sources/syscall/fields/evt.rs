//! `evt.*`: the event itself.

use super::{
    Argument, ArgumentKind, Context, Field, TimeForm, Type, Value, arguments, errno, field,
};
use crate::sources::syscall::event::{Kind, exec_flag};

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    field(
        "evt.num",
        Type::Number,
        "Number of the event since the sensor started.",
        |c, _| Value::Uint(c.number),
    ),
    field(
        "evt.time",
        Type::Time,
        "When it happened, as local time of day with nanoseconds.",
        |c, _| Value::Time(c.time, TimeForm::Clock),
    ),
    field(
        "evt.time.s",
        Type::Time,
        "When it happened, as local time of day.",
        |c, _| Value::Time(c.time, TimeForm::ClockSeconds),
    ),
    field(
        "evt.time.iso8601",
        Type::Time,
        "When it happened, in ISO 8601 form with nanoseconds, UTC.",
        |c, _| Value::Time(c.time, TimeForm::Iso8601),
    ),
    field(
        "evt.datetime",
        Type::Time,
        "When it happened, as local date and time with nanoseconds.",
        |c, _| Value::Time(c.time, TimeForm::DateTime),
    ),
    field(
        "evt.datetime.s",
        Type::Time,
        "When it happened, as local date and time.",
        |c, _| Value::Time(c.time, TimeForm::DateTimeSeconds),
    ),
    field(
        "evt.rawtime",
        Type::Time,
        "When it happened, in nanoseconds since the epoch.",
        |c, _| Value::Time(c.time, TimeForm::Raw),
    ),
    field(
        "evt.rawtime.s",
        Type::Number,
        "Whole seconds of `evt.rawtime`.",
        |c, _| Value::Uint(c.time / 1_000_000_000),
    ),
    field(
        "evt.rawtime.ns",
        Type::Number,
        "Nanoseconds of `evt.rawtime` beyond whole seconds.",
        |c, _| Value::Uint(c.time % 1_000_000_000),
    ),
    field(
        "evt.type",
        Type::String,
        "Name of the system call (`execveat` only if it failed), see `--list-events`.",
        |c, _| Value::Str(event_type(c)),
    ),
    field(
        "syscall.type",
        Type::String,
        "The same as `evt.type`.",
        |c, _| Value::Str(event_type(c)),
    ),
    field(
        "evt.category",
        Type::String,
        "Class of the event: `process` or `net`.",
        |c, _| Value::Str(c.event.kind.category()),
    ),
    field("evt.source", Type::String, "Always `syscall`.", |_, _| {
        Value::Str("syscall")
    }),
    field("evt.is_syscall", Type::Bool, "Always true.", |_, _| {
        Value::Bool(true)
    }),
    field("evt.is_async", Type::Bool, "Always false.", |_, _| {
        Value::Bool(false)
    }),
    Field {
        deprecated: Some("all events are results, it is always '<'"),
        ..field(
            "evt.dir",
            Type::String,
            "Always `<`: only results are events (deprecated).",
            |_, _| Value::Str("<"),
        )
    },
    field("evt.count", Type::Number, "Always 1.", |_, _| {
        Value::Uint(1)
    }),
    field(
        "evt.cpu",
        Type::Number,
        "CPU on which it happened.",
        |c, _| Value::Uint(c.event.header.cpu.into()),
    ),
    field("evt.hostname", Type::String, "Name of the node.", |c, _| {
        Value::Str(c.hostname)
    }),
    field(
        "evt.rawres",
        Type::Number,
        "What the system call returned: 0 or more, or a negative errno.",
        |c, _| Value::Int(c.event.result()),
    ),
    field(
        "evt.res",
        Type::String,
        "`SUCCESS`, or the name of the errno.",
        |c, _| Value::Str(errno::name(c.event.result(), "SUCCESS", c.arena)),
    ),
    field(
        "evt.count.error",
        Type::Number,
        "1 if the system call returned an error (EINPROGRESS too).",
        |c, _| match c.event.result() {
            ..0 => Value::Uint(1),
            0.. => Value::Absent,
        },
    ),
    field(
        "evt.count.error.net",
        Type::Number,
        "1 if a system call of category `net` returned an error (EINPROGRESS too).",
        |c, _| error_of(c, true),
    ),
    field(
        "evt.count.error.other",
        Type::Number,
        "1 if a system call of another category returned an error.",
        |c, _| error_of(c, false),
    ),
    field(
        "evt.count.exit",
        Type::Number,
        "Always 1: only results are events.",
        |_, _| Value::Uint(1),
    ),
    Field {
        argument: ArgumentKind::Name,
        ..field(
            "evt.type.is",
            Type::Number,
            "1 if the event is of that type, `evt.type.is[connect]`; 0 if not.",
            |c, a| match a {
                Argument::Name(name) => Value::Uint((**name == *event_type(c)).into()),
                Argument::None | Argument::Index(_) => Value::Absent,
            },
        )
    },
    never("evt.is_io", "Always false: no event here reads or writes."),
    never("evt.is_io_read", "Always false: no event here reads."),
    never("evt.is_io_write", "Always false: no event here writes."),
    never(
        "evt.is_wait",
        "Always false: no event here waits for others.",
    ),
    never(
        "evt.is_syslog",
        "Always false: no event here writes to the system log.",
    ),
    never(
        "evt.is_open_read",
        "Always false: no event here opens a file.",
    ),
    never(
        "evt.is_open_write",
        "Always false: no event here opens a file.",
    ),
    never(
        "evt.is_open_exec",
        "Always false: no event here creates a file.",
    ),
    never(
        "evt.is_open_create",
        "Always false: no event here creates a file.",
    ),
    field(
        "evt.failed",
        Type::Bool,
        "Whether the system call returned an error (EINPROGRESS too).",
        |c, _| Value::Bool(c.event.result() < 0),
    ),
    Field {
        argument: ArgumentKind::Name,
        ..field(
            "evt.arg",
            Type::String,
            "An argument of the event, by its name or number.",
            |c, a| match a {
                Argument::Name(name) => arguments::get(c, name),
                Argument::None | Argument::Index(_) => Value::Absent,
            },
        )
    },
    Field {
        argument: ArgumentKind::Name,
        ..field(
            "evt.rawarg",
            Type::String,
            "The same as `evt.arg`.",
            |c, a| match a {
                Argument::Name(name) => arguments::get(c, name),
                Argument::None | Argument::Index(_) => Value::Absent,
            },
        )
    },
    field(
        "evt.args",
        Type::String,
        "All arguments of the event, as `name=value`, joined by blanks.",
        |c, _| arguments::all(c),
    ),
    field(
        "evt.info",
        Type::String,
        "The same as `evt.args`.",
        |c, _| arguments::all(c),
    ),
];

/// A truth value that is false for all events.
const fn never(name: &'static str, doc: &'static str) -> Field {
    field(name, Type::Bool, doc, |_, _| Value::Bool(false))
}

fn error_of(c: &Context<'_>, net: bool) -> Value<'static> {
    let is = c.event.result() < 0 && (c.event.kind.category() == "net") == net;
    if is { Value::Uint(1) } else { Value::Absent }
}

fn event_type(c: &Context<'_>) -> &'static str {
    let is_execveat = c.event.kind == Kind::ExecFailed
        && c.event
            .exec()
            .is_some_and(|exec| exec.fixed.flags & exec_flag::EXECVEAT != 0);
    let types = c.event.kind.types();
    let place = usize::from(is_execveat);
    types.get(place).copied().unwrap_or_default()
}
