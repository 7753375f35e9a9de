//! `proc.*`: the process that caused the event.

use bumpalo::collections::Vec;

use super::{Argument, ArgumentKind, Context, Field, Needs, Type, Value, class::EXEC, field};
use crate::sources::syscall::event::{Exec, Kind, Task, exec_flag, task_flag};

/// A field of the program that the process runs.
pub(super) const fn program(
    name: &'static str,
    ty: Type,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field {
        needs: Needs::PROGRAM,
        ..field(name, ty, doc, get)
    }
}

fn text(value: Option<&str>) -> Value<'_> {
    value.map_or(Value::Absent, Value::Str)
}

fn number(value: Option<u64>) -> Value<'static> {
    value.map_or(Value::Absent, Value::Uint)
}

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    field("proc.pid", Type::Number, "Process id.", |c, _| {
        Value::Uint(c.event.task.tgid.into())
    }),
    field(
        "proc.vpid",
        Type::Number,
        "Process id in the process's own pid namespace.",
        |c, _| Value::Uint(c.event.task.vtgid.into()),
    ),
    field(
        "proc.name",
        Type::String,
        "Name of the process: base name of the path given to exec, at most 15 bytes.",
        |c, _| Value::Str(c.comm()),
    ),
    program("proc.exe", Type::String, "argv[0].", |c, _| {
        text(
            c.program()
                .map(|p| c.text(p.argv.first().unwrap_or_default())),
        )
    }),
    program(
        "proc.exepath",
        Type::String,
        "Path of the executed file as the kernel resolved it; of a script its interpreter.",
        |c, _| text(c.exepath()),
    ),
    Field {
        argument: ArgumentKind::Index,
        parts: Some(words),
        ..program(
            "proc.args",
            Type::String,
            "argv[1..] joined by blanks; with an index one of them, from 0.",
            |c, a| match a {
                Argument::Index(n) => match c.program() {
                    Some(program) => Value::Str(
                        c.text(
                            program
                                .argv
                                .rest()
                                .iter()
                                .nth(*n as usize)
                                .unwrap_or_default(),
                        ),
                    ),
                    None => Value::Absent,
                },
                Argument::None | Argument::Name(_) => text(c.args()),
            },
        )
    },
    program(
        "proc.cmdline",
        Type::String,
        "Name and arguments, joined by blanks.",
        |c, _| text(c.cmdline()),
    ),
    program(
        "proc.exeline",
        Type::String,
        "argv joined by blanks.",
        |c, _| {
            text(
                c.program()
                    .map(|p| c.command_line(c.text(p.argv.first().unwrap_or_default()), p.argv)),
            )
        },
    ),
    program(
        "proc.cmdnargs",
        Type::Number,
        "Number of arguments, argv[0] not counted.",
        |c, _| number(c.program().map(|p| p.argv.rest().iter().count() as u64)),
    ),
    program(
        "proc.cmdlenargs",
        Type::Number,
        "Bytes of all arguments, argv[0] and separators not counted.",
        |c, _| {
            number(
                c.program()
                    .map(|p| p.argv.rest().iter().map(|a| a.len() as u64).sum()),
            )
        },
    ),
    program(
        "proc.cwd",
        Type::String,
        "Working directory, ending with `/`.",
        |c, _| text(c.cwd()),
    ),
    field(
        "proc.tty",
        Type::Number,
        "Device number of the controlling terminal, 0 if there is none.",
        |c, _| Value::Uint(c.event.task.tty.into()),
    ),
    field(
        "proc.sid",
        Type::Number,
        "Session, in the process's own pid namespace.",
        |c, _| Value::Uint(c.event.task.vsid.into()),
    ),
    field(
        "proc.is_sid_leader",
        Type::Bool,
        "Whether it leads its session.",
        |c, _| Value::Bool(c.event.task.vsid == c.event.task.vtgid),
    ),
    field("proc.pgid", Type::Number, "Process group.", |c, _| {
        Value::Uint(c.event.task.pgid.into())
    }),
    field(
        "proc.vpgid",
        Type::Number,
        "Process group in the process's own pid namespace.",
        |c, _| Value::Uint(c.event.task.vpgid.into()),
    ),
    field(
        "proc.is_pgid_leader",
        Type::Bool,
        "Whether it leads its process group.",
        |c, _| Value::Bool(c.event.task.pgid == c.event.task.tgid),
    ),
    field(
        "proc.is_vpgid_leader",
        Type::Bool,
        "Whether it leads its process group, in its own pid namespace.",
        |c, _| Value::Bool(c.event.task.vpgid == c.event.task.vtgid),
    ),
    field(
        "proc.pid.ts",
        Type::Number,
        "When the process started, nanoseconds since the epoch.",
        |c, _| Value::Uint(utc(c, c.event.task.start)),
    ),
    field(
        "proc.duration",
        Type::Number,
        "Nanoseconds since the process started.",
        |c, _| Value::Uint(c.event.header.time.saturating_sub(c.event.task.start)),
    ),
    field(
        "proc.pidns_init_start_ts",
        Type::Number,
        "When the first process of the pid namespace started, nanoseconds since the epoch.",
        |c, _| Value::Uint(utc(c, c.event.task.pid_ns_start)),
    ),
    program(
        "proc.is_exe_writable",
        Type::Bool,
        "Whether the process could write the executed file.",
        |c, _| facts(c).map_or(Value::Absent, |_| Value::Bool(is_writable(c))),
    ),
    program(
        "proc.is_exe_upper_layer",
        Type::Bool,
        "Whether the executed file is new or modified in the container.",
        |c, _| flag(c, exec_flag::UPPER_LAYER),
    ),
    program(
        "proc.is_exe_lower_layer",
        Type::Bool,
        "Whether the executed file is the image's own.",
        |c, _| flag(c, exec_flag::LOWER_LAYER),
    ),
    program(
        "proc.is_exe_from_memfd",
        Type::Bool,
        "Whether the executed file is a memfd.",
        |c, _| flag(c, exec_flag::MEMFD),
    ),
    program(
        "proc.exe_ino",
        Type::Number,
        "Inode number of the executed file.",
        |c, _| number(facts(c).map(|f| f.exe_ino)),
    ),
    program(
        "proc.exe_ino.ctime",
        Type::Number,
        "Change time of the executed file, nanoseconds since the epoch.",
        |c, _| number(facts(c).map(|f| f.exe_ctime)),
    ),
    program(
        "proc.exe_ino.mtime",
        Type::Number,
        "Modification time of the executed file, nanoseconds since the epoch.",
        |c, _| number(facts(c).map(|f| f.exe_mtime)),
    ),
    program(
        "proc.exe_ino.ctime_duration_proc_start",
        Type::Number,
        "Nanoseconds from the change of the executed file to the start of the process.",
        |c, _| number(facts(c).map(|f| utc(c, c.event.task.start).saturating_sub(f.exe_ctime))),
    ),
    program(
        "proc.exe_ino.ctime_duration_pidns_start",
        Type::Number,
        "Nanoseconds from the start of the pid namespace to the change of the executed file; 0 if it is older.",
        |c, _| {
            number(facts(c).map(|f| {
                f.exe_ctime
                    .saturating_sub(utc(c, c.event.task.pid_ns_start))
            }))
        },
    ),
    program(
        "proc.args_truncated",
        Type::Bool,
        "Whether argv was cut at the configured limit (not in Falco).",
        |c, _| flag(c, exec_flag::ARGV_TRUNCATED),
    ),
    program(
        "proc.args_size",
        Type::Number,
        "True size of argv in bytes, NULs included, even if the event has less of argv (not in Falco).",
        |c, _| number(facts(c).map(|f| f.argv_size)),
    ),
    program(
        "proc.path_complete",
        Type::Bool,
        "Whether the paths of the executable and of the working directory are whole (not in Falco).",
        |c, _| {
            let whole = exec_flag::EXE_COMPLETE | exec_flag::CWD_COMPLETE;
            facts(c).map_or(Value::Absent, |f| Value::Bool(f.flags & whole == whole))
        },
    ),
    field(
        "proc.entity_id",
        Type::String,
        "Unique over processes, boots and nodes: of node, process id and start (not in Falco).",
        |c, _| Value::Str(super::entity::id(c, c.event.task.tgid, c.event.task.start)),
    ),
    field(
        "proc.parent_entity_id",
        Type::String,
        "`proc.entity_id` of the parent (not in Falco).",
        |c, _| text(c.ancestor(1).map(|a| super::entity::id(c, a.tgid, a.start))),
    ),
    Field {
        classes: EXEC,
        ..program(
            "proc.argv",
            Type::String,
            "argv as a list (not in Falco); an array in JSON.",
            |c, _| match c.program() {
                Some(program) => Value::List(c.arena.alloc_slice_fill_iter(Vec::from_iter_in(
                    program.argv.iter().map(|a| Value::Str(c.text(a))),
                    c.arena,
                ))),
                None => Value::Absent,
            },
        )
    },
];

/// The arguments of the program, one by one.
fn words<'a>(c: &Context<'a>, _: &Argument) -> Value<'a> {
    let Some(program) = c.program() else {
        return Value::Absent;
    };
    let mut values = Vec::new_in(c.arena);
    let arguments = program.argv.rest();
    values.extend(
        arguments
            .iter()
            .map(|argument| Value::Str(c.text(argument))),
    );
    Value::List(values.into_bump_slice())
}

/// Facts of the executed file, if the sensor knows them.
pub(super) fn facts(c: &Context<'_>) -> Option<Exec> {
    match c.event.exec() {
        Some(exec) => Some(exec.fixed),
        None => c.program()?.exec,
    }
}

fn flag(c: &Context<'_>, flag: u32) -> Value<'static> {
    let layer = exec_flag::UPPER_LAYER | exec_flag::LOWER_LAYER;
    match facts(c) {
        Some(f) if flag & layer != 0 && f.flags & exec_flag::LAYER_UNKNOWN != 0 => Value::Absent,
        Some(f) => Value::Bool(f.flags & flag != 0),
        None => Value::Absent,
    }
}

/// Nanoseconds since boot as nanoseconds since the epoch.
pub(super) fn utc(c: &Context<'_>, boot: u64) -> u64 {
    boot.saturating_add_signed(c.boot_to_utc)
}

/// Whether the process could write the executed file, by owner, group and mode.
pub(super) fn is_writable(c: &Context<'_>) -> bool {
    const CAP_DAC_OVERRIDE: u64 = 1 << 1;
    let Some(file) = facts(c) else { return false };
    let Task {
        euid,
        egid,
        cap_effective,
        ..
    } = c.event.task;
    let bit = if euid == file.exe_uid {
        0o200
    } else if egid == file.exe_gid {
        0o020
    } else {
        0o002
    };
    cap_effective & CAP_DAC_OVERRIDE != 0 || file.exe_mode & bit != 0
}

/// Whether the process is the first one of a pid namespace other than the initial one, and has just
/// executed its program.
pub(super) fn is_container_init(c: &Context<'_>) -> bool {
    let task = &c.event.task;
    c.event.kind == Kind::Exec
        && task.vtgid == 1
        && task.vsid == 1
        && task.flags & task_flag::INITIAL_PID_NS == 0
}
