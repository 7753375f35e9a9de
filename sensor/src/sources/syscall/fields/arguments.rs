//! `evt.arg.*`: the arguments of events. Each argument is a row of the tables of this module, of
//! `fd::ARGUMENTS`, or of a plain system call.

use std::sync::LazyLock;

use bumpalo::{collections::String, format};
use sensor_ebpf::SystemCall;

use super::{
    Argument, Classes, Context, Field, Needs, Type, Value, call,
    class::{CONNECT, EXEC, of_kind},
    errno, fd, process, thread, user,
};
use crate::sources::syscall::event::{Detail, exec_flag};

/// An argument of an event that is no plain system call.
pub(super) struct Row {
    /// The name of the argument.
    pub(super) name: &'static str,
    /// The field of that name.
    pub(super) field: &'static str,
    /// The meaning of the argument, one sentence.
    pub(super) doc: &'static str,
    /// Returns the value of the argument.
    pub(super) get: for<'a> fn(&Context<'a>) -> Value<'a>,
}

/// Rows of arguments: name, meaning, value.
macro_rules! rows {
    ($($name:literal, $doc:literal, $get:expr;)*) => {
        &[$($crate::sources::syscall::fields::arguments::Row {
            name: $name,
            field: concat!("evt.arg.", $name),
            doc: $doc,
            get: $get,
        }),*]
    };
}
pub(super) use rows;

/// The first argument of every event.
static RESULT: &[Row] = rows! {
    "res", "`0`, or the name of the errno.", |c| {
        Value::Str(errno::name(c.event.result(), "0", c.arena))
    };
};

/// An exec's arguments, in the order in which `evt.args` has them, after `res`.
static OF_EXECS: &[Row] = rows! {
    "exe", "argv[0], of a failed call the one that the caller gave.", |c| of_exec(c, |exec| {
        Value::Str(c.text(exec.argv.first().unwrap_or_default()))
    });
    "args", "argv[1..] joined by blanks, of a failed call the ones that the caller gave.", |c| {
        of_exec(c, |exec| Value::Str(c.joined(exec.argv)))
    };
    "tid", "Thread id.", |c| text(c, c.event.task.tid);
    "pid", "Process id.", |c| text(c, c.event.task.tgid);
    "ptid", "Process id of the parent.", |c| text(c, c.event.task.ppid);
    "cwd", "Working directory.", |c| c.cwd().map_or(Value::Absent, Value::Str);
    "comm", "Name of the process.", |c| Value::Str(c.comm());
    "tty", "Number of the controlling terminal.", |c| text(c, c.event.task.tty);
    "vpgid", "Process group in the process's own pid namespace.", |c| text(c, c.event.task.vpgid);
    "loginuid", "Audit login user.", |c| text(c, user::loginuid(&c.event.task));
    "flags", "`EXE_WRITABLE|EXE_UPPER_LAYER|EXE_FROM_MEMFD|EXE_LOWER_LAYER`, those that apply.", |c| {
        Value::Str(exe_flags(c))
    };
    "cap_inheritable", "Inheritable capabilities.", |c| {
        Value::Str(thread::capabilities(c.event.task.cap_inheritable, c.arena))
    };
    "cap_permitted", "Permitted capabilities.", |c| {
        Value::Str(thread::capabilities(c.event.task.cap_permitted, c.arena))
    };
    "cap_effective", "Effective capabilities.", |c| {
        Value::Str(thread::capabilities(c.event.task.cap_effective, c.arena))
    };
    "exe_ino", "Inode number of the executable.", |c| of_exec(c, |exec| text(c, exec.fixed.exe_ino));
    "uid", "Effective user.", |c| text(c, c.event.task.euid);
    "trusted_exepath", "Path of the executable.", |c| c.exepath().map_or(Value::Absent, Value::Str);
    "pgid", "Process group.", |c| text(c, c.event.task.pgid);
    "gid", "Effective group.", |c| text(c, c.event.task.egid);
    "filename", "Path that the caller gave to exec.", |c| of_exec(c, |exec| {
        Value::Str(c.text(exec.filename))
    });
};

fn of_exec<'a>(
    c: &Context<'a>,
    value: impl FnOnce(&crate::sources::syscall::event::ExecEvent<'a>) -> Value<'a>,
) -> Value<'a> {
    c.event.exec().map_or(Value::Absent, value)
}

fn text<'a>(c: &Context<'a>, value: impl std::fmt::Display) -> Value<'a> {
    Value::Str(format!(in c.arena, "{}", value).into_bump_str())
}

fn exe_flags<'a>(c: &Context<'a>) -> &'a str {
    let flags = c.event.exec().map_or(0, |exec| exec.fixed.flags);
    let set = [
        (process::is_writable(c), "EXE_WRITABLE"),
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

/// The rows of an event that is no plain system call.
fn rows_of(c: &Context<'_>) -> &'static [Row] {
    match c.event.detail {
        Detail::Exec(_) => OF_EXECS,
        Detail::Connect(_) => fd::ARGUMENTS,
        Detail::Call(_) => &[],
    }
}

/// Names of the event's arguments, in the order in which `evt.args` has them.
fn names(c: &Context<'_>) -> impl Iterator<Item = &'static str> {
    let of_call = c.event.call().map_or(&[][..], |call| call.call.arguments);
    let rows = RESULT.iter().chain(rows_of(c)).map(|row| row.name);
    rows.chain(of_call.iter().map(|argument| argument.name))
}

/// An argument of the event by its name or number.
pub(super) fn get<'a>(c: &Context<'a>, wanted: &str) -> Value<'a> {
    match wanted.parse::<usize>() {
        Ok(number) => names(c)
            .nth(number)
            .map_or(Value::Absent, |name| named(c, name)),
        Err(_) => named(c, wanted),
    }
}

fn named<'a>(c: &Context<'a>, name: &str) -> Value<'a> {
    let mut rows = RESULT.iter().chain(rows_of(c));
    match (rows.find(|row| row.name == name), c.event.call()) {
        (Some(row), _) => (row.get)(c),
        (None, Some(call)) => call::argument(call, name, c.arena),
        (None, None) => Value::Absent,
    }
}

/// All arguments of the event, as `name=value`, joined by blanks.
pub(super) fn all<'a>(c: &Context<'a>) -> Value<'a> {
    let mut out = String::new_in(c.arena);
    for name in names(c) {
        if let Value::Str(value) = named(c, name) {
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

/// `evt.arg.NAME`, the same as `evt.arg[NAME]`, for each argument that some event has.
pub(super) fn fields() -> &'static [Field] {
    static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
        let of_rows = |rows: &'static [Row], classes| {
            let row = move |row: &'static Row| field(row.field, row.name, row.doc, classes);
            rows.iter().map(row)
        };
        let of_call = |call: &'static SystemCall| {
            let classes = of_kind(call.kind);
            let all = call.arguments.iter();
            all.map(move |one| field(one.field, one.name, one.doc, classes))
        };
        let all = of_rows(RESULT, Classes::ALL)
            .chain(of_rows(OF_EXECS, EXEC))
            .chain(of_rows(fd::ARGUMENTS, CONNECT))
            .chain(SystemCall::ALL.iter().flat_map(of_call));
        let mut fields: Vec<Field> = Vec::new();
        for field in all {
            match fields.iter_mut().find(|known| known.name == field.name) {
                Some(known) => also(known, &field),
                None => fields.push(field),
            }
        }
        fields
    });
    &FIELDS
}

fn field(name: &'static str, of: &'static str, doc: &'static str, classes: Classes) -> Field {
    Field {
        classes,
        preset: Some(of),
        ..Field::new(
            name,
            Type::String,
            Needs::NOTHING,
            doc,
            |c, argument| match argument {
                Argument::Name(name) => get(c, name),
                Argument::None | Argument::Index(_) => Value::Absent,
            },
        )
    }
}

/// Adds another event's argument of the same name, which may have the same meaning or another one.
fn also(known: &mut Field, other: &Field) {
    known.classes = known.classes.union(other.classes);
    if !known.doc.contains(other.doc) {
        // The list of fields is made only once, so the leak is bounded.
        known.doc = std::format!("{} Or: {}", known.doc, other.doc).leak();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::syscall::event::Kind;

    #[test]
    fn an_argument_of_more_than_one_event_is_one_field() {
        let named = |name| fields().iter().filter(move |field| field.name == name);
        let descriptor: Vec<_> = named("evt.arg.fd").collect();
        let [descriptor] = descriptor[..] else {
            panic!("{descriptor:?}");
        };
        let calls = SystemCall::ALL.iter().filter(|call| {
            let mut arguments = call.arguments.iter();
            arguments.any(|argument| argument.name == "fd")
        });
        let of_calls = calls.fold(CONNECT, |all, call| all.union(of_kind(call.kind)));
        assert_eq!(descriptor.classes, of_calls);
        assert_eq!(descriptor.doc, "Number of the descriptor.");
    }

    #[test]
    fn each_argument_of_a_plain_system_call_is_a_field_of_its_events() {
        for call in SystemCall::ALL {
            for argument in call.arguments {
                let mut fields = fields().iter();
                let field = fields.find(|field| field.name == argument.field);
                let field = field.unwrap_or_else(|| panic!("{}", argument.field));
                assert!(field.classes.contains(super::super::class(call.kind, true)));
                assert!(field.doc.contains(argument.doc), "{}", field.doc);
                assert_eq!(field.preset, Some(argument.name));
            }
        }
        let mut results = fields().iter().filter(|field| field.name == "evt.arg.res");
        assert!(results.all(|field| {
            field
                .classes
                .contains(super::super::class(Kind::Exec, false))
        }));
    }

    #[test]
    fn a_field_lists_all_its_different_meanings() {
        let mut known = field("evt.arg.x", "x", "Process id.", EXEC);
        also(&mut known, &field("evt.arg.x", "x", "Process id.", CONNECT));
        assert_eq!(known.doc, "Process id.");
        also(&mut known, &field("evt.arg.x", "x", "Tracee.", CONNECT));
        assert_eq!(known.doc, "Process id. Or: Tracee.");
        assert_eq!(known.classes, EXEC.union(CONNECT));
    }
}
