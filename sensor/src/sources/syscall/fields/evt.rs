//! `evt.*`: the event itself.

use bumpalo::{collections::String, format};

use super::{
    Argument, ArgumentKind, Classes, Context, Field, Needs, TimeForm, Type, Value, class::EXEC,
    errno,
};
use crate::sources::syscall::event::{Kind, exec_flag};

const fn field(
    name: &'static str,
    ty: Type,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field::new(name, ty, Needs::NOTHING, doc, get)
}

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
        "Name of the system call: `execve`, `execveat` (only if it failed) or `connect`.",
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
        |c, _| {
            Value::Str(match c.event.kind {
                Kind::Exec | Kind::ExecFailed => "process",
                Kind::Connect => "net",
            })
        },
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
        "What the system call returned: 0, or a negative errno.",
        |c, _| Value::Int(result(c)),
    ),
    field(
        "evt.res",
        Type::String,
        "`SUCCESS`, or the name of the errno.",
        |c, _| Value::Str(errno::name(result(c), "SUCCESS", c.arena)),
    ),
    field(
        "evt.failed",
        Type::Bool,
        "Whether the system call returned an error (EINPROGRESS too).",
        |c, _| Value::Bool(result(c) < 0),
    ),
    Field {
        argument: ArgumentKind::Name,
        ..field(
            "evt.arg",
            Type::String,
            "An argument of the event, by its name or number.",
            |c, a| match a {
                Argument::Name(name) => by_name(c, name),
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
                Argument::Name(name) => by_name(c, name),
                Argument::None | Argument::Index(_) => Value::Absent,
            },
        )
    },
    field(
        "evt.args",
        Type::String,
        "All arguments of the event, as `name=value`, joined by blanks.",
        |c, _| all_arguments(c),
    ),
    field(
        "evt.info",
        Type::String,
        "The same as `evt.args`.",
        |c, _| all_arguments(c),
    ),
    Field {
        classes: Classes::ALL,
        ..argument("evt.arg.res", "`0`, or the name of the errno.")
    },
    argument("evt.arg.filename", "Path that was given to exec."),
    argument(
        "evt.arg.exe",
        "argv[0], of a failed call the one that was tried.",
    ),
    argument(
        "evt.arg.args",
        "argv[1..] joined by blanks, of a failed call the ones that were tried.",
    ),
    argument("evt.arg.tid", "Thread id."),
    argument("evt.arg.pid", "Process id."),
    argument("evt.arg.ptid", "Process id of the parent."),
    argument("evt.arg.cwd", "Working directory."),
    argument("evt.arg.comm", "Name of the process."),
    argument("evt.arg.tty", "Number of the controlling terminal."),
    argument("evt.arg.pgid", "Process group."),
    argument(
        "evt.arg.vpgid",
        "Process group in the process's own pid namespace.",
    ),
    argument("evt.arg.loginuid", "Audit login user."),
    argument("evt.arg.uid", "Effective user."),
    argument("evt.arg.gid", "Effective group."),
    argument(
        "evt.arg.flags",
        "`EXE_WRITABLE|EXE_UPPER_LAYER|EXE_FROM_MEMFD|EXE_LOWER_LAYER`, those that apply.",
    ),
    argument("evt.arg.cap_permitted", "Permitted capabilities."),
    argument("evt.arg.cap_effective", "Effective capabilities."),
    argument("evt.arg.cap_inheritable", "Inheritable capabilities."),
    argument("evt.arg.exe_ino", "Inode number of the executable."),
    argument("evt.arg.trusted_exepath", "Path of the executable."),
];

/// `evt.arg.NAME`, the same as `evt.arg[NAME]`.
const fn argument(name: &'static str, doc: &'static str) -> Field {
    macro_rules! getters {
        ($($name:literal)*) => {
            match name.as_bytes() {
                $(bytes if equal(bytes, $name.as_bytes()) => |c, _| by_name(c, $name.split_at(8).1),)*
                _ => panic!("an argument without a getter"),
            }
        };
    }
    let get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a> = getters!(
        "evt.arg.res" "evt.arg.filename" "evt.arg.exe" "evt.arg.args" "evt.arg.tid" "evt.arg.pid"
        "evt.arg.ptid" "evt.arg.cwd" "evt.arg.comm" "evt.arg.tty" "evt.arg.pgid" "evt.arg.vpgid"
        "evt.arg.loginuid" "evt.arg.uid" "evt.arg.gid" "evt.arg.flags" "evt.arg.cap_permitted"
        "evt.arg.cap_effective" "evt.arg.cap_inheritable" "evt.arg.exe_ino" "evt.arg.trusted_exepath"
    );
    Field {
        classes: EXEC,
        ..field(name, Type::String, doc, get)
    }
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Names of an exec's arguments, in the order in which `evt.args` has them.
const ARGUMENTS: &[&str] = &[
    "res",
    "exe",
    "args",
    "tid",
    "pid",
    "ptid",
    "cwd",
    "comm",
    "tty",
    "vpgid",
    "loginuid",
    "flags",
    "cap_inheritable",
    "cap_permitted",
    "cap_effective",
    "exe_ino",
    "uid",
    "trusted_exepath",
    "pgid",
    "gid",
    "filename",
];

fn event_type(c: &Context<'_>) -> &'static str {
    match c.event.exec() {
        Some(exec)
            if c.event.kind == Kind::ExecFailed && exec.fixed.flags & exec_flag::EXECVEAT != 0 =>
        {
            "execveat"
        }
        Some(_) => "execve",
        None => "connect",
    }
}

fn result(c: &Context<'_>) -> i64 {
    match (c.event.exec(), c.event.connect()) {
        (Some(exec), _) => exec.fixed.result,
        (None, Some(connect)) => connect.fixed.result,
        (None, None) => 0,
    }
}

/// An argument of the event by its name.
pub(super) fn by_name<'a>(c: &Context<'a>, name: &str) -> Value<'a> {
    let task = &c.event.task;
    if name == "res" {
        return Value::Str(errno::name(result(c), "0", c.arena));
    }
    let Some(exec) = c.event.exec() else {
        return super::fd::argument(c, name);
    };
    let text =
        |s: std::fmt::Arguments<'_>| Value::Str(format!(in c.arena, "{}", s).into_bump_str());
    match name {
        "filename" => Value::Str(c.text(exec.filename)),
        "exe" => Value::Str(c.text(exec.argv.first().unwrap_or_default())),
        "args" => Value::Str(c.joined(exec.argv)),
        "tid" => text(format_args!("{}", task.tid)),
        "pid" => text(format_args!("{}", task.tgid)),
        "ptid" => text(format_args!("{}", task.ppid)),
        "cwd" => c.cwd().map_or(Value::Absent, Value::Str),
        "comm" => Value::Str(c.comm()),
        "tty" => text(format_args!("{}", task.tty)),
        "pgid" => text(format_args!("{}", task.pgid)),
        "vpgid" => text(format_args!("{}", task.vpgid)),
        "loginuid" => text(format_args!("{}", super::user::loginuid(task))),
        "uid" => text(format_args!("{}", task.euid)),
        "gid" => text(format_args!("{}", task.egid)),
        "flags" => Value::Str(exe_flags(c)),
        "cap_permitted" => Value::Str(super::thread::capabilities(task.cap_permitted, c.arena)),
        "cap_effective" => Value::Str(super::thread::capabilities(task.cap_effective, c.arena)),
        "cap_inheritable" => Value::Str(super::thread::capabilities(task.cap_inheritable, c.arena)),
        "exe_ino" => text(format_args!("{}", exec.fixed.exe_ino)),
        "trusted_exepath" => c.exepath().map_or(Value::Absent, Value::Str),
        _ => match name.parse::<usize>().ok().and_then(|i| ARGUMENTS.get(i)) {
            Some(name) => by_name(c, name),
            None => Value::Absent,
        },
    }
}

fn exe_flags<'a>(c: &Context<'a>) -> &'a str {
    let flags = c.event.exec().map_or(0, |exec| exec.fixed.flags);
    let set = [
        (super::process::is_writable(c), "EXE_WRITABLE"),
        (flags & exec_flag::UPPER_LAYER != 0, "EXE_UPPER_LAYER"),
        (flags & exec_flag::MEMFD != 0, "EXE_FROM_MEMFD"),
        (flags & exec_flag::LOWER_LAYER != 0, "EXE_LOWER_LAYER"),
    ];
    let mut out = String::new_in(c.arena);
    for (_, name) in set.iter().filter(|(on, _)| *on) {
        if !out.is_empty() {
            out.push('|');
        }
        out.push_str(name);
    }
    out.into_bump_str()
}

fn all_arguments<'a>(c: &Context<'a>) -> Value<'a> {
    let names = if c.event.exec().is_some() {
        ARGUMENTS
    } else {
        super::fd::ARGUMENTS
    };
    let mut out = String::new_in(c.arena);
    for name in names {
        if let Value::Str(value) = by_name(c, name) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(name);
            out.push('=');
            out.push_str(value);
        }
    }
    Value::Str(out.into_bump_str())
}
