//! `thread.*`: the thread that caused the event.

use bumpalo::{Bump, collections::String, format};

use super::{Argument, ArgumentKind, Context, Field, Type, Value, field};

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    field("thread.tid", Type::Number, "Thread id.", |c, _| {
        Value::Uint(c.event.task.tid.into())
    }),
    field(
        "thread.vtid",
        Type::Number,
        "Thread id in the process's own pid namespace.",
        |c, _| Value::Uint(c.event.task.vtid.into()),
    ),
    field(
        "thread.ismain",
        Type::Bool,
        "Whether it is the process's first thread.",
        |c, _| Value::Bool(c.event.task.tid == c.event.task.tgid),
    ),
    field(
        "thread.cap_permitted",
        Type::String,
        "Permitted capabilities, joined by blanks.",
        |c, _| Value::Str(capabilities(c.event.task.cap_permitted, c.arena)),
    ),
    field(
        "thread.cap_effective",
        Type::String,
        "Effective capabilities, joined by blanks.",
        |c, _| Value::Str(capabilities(c.event.task.cap_effective, c.arena)),
    ),
    field(
        "thread.cap_inheritable",
        Type::String,
        "Inheritable capabilities, joined by blanks.",
        |c, _| Value::Str(capabilities(c.event.task.cap_inheritable, c.arena)),
    ),
    field(
        "thread.cgroups",
        Type::String,
        "Path of the cgroup.",
        |c, _| Value::Str(c.path(c.event.cgroup)),
    ),
    Field {
        argument: ArgumentKind::Name,
        ..field(
            "thread.cgroup",
            Type::String,
            "Path of the cgroup that a controller uses: `thread.cgroup[memory]`. Runtimes use one path for all of them.",
            |c, argument| match argument {
                Argument::Name(name) if CONTROLLERS.contains(&&**name) => {
                    Value::Str(c.path(c.event.cgroup))
                }
                _ => Value::Absent,
            },
        )
    },
    field(
        "thread.nametid",
        Type::String,
        "Name of the process and thread id, without anything between.",
        |c, _| numbered(c, c.event.task.tid),
    ),
    field(
        "thread.vnametid",
        Type::String,
        "Name of the process and thread id in its own pid namespace, without anything between.",
        |c, _| numbered(c, c.event.task.vtid),
    ),
];

/// Controllers of cgroups (`include/linux/cgroup_subsys.h`).
const CONTROLLERS: [&str; 15] = [
    "cpuset",
    "cpu",
    "cpuacct",
    "io",
    "blkio",
    "memory",
    "devices",
    "freezer",
    "net_cls",
    "perf_event",
    "net_prio",
    "hugetlb",
    "pids",
    "rdma",
    "misc",
];

fn numbered<'a>(c: &Context<'a>, number: u32) -> Value<'a> {
    Value::Str(format!(in c.arena, "{}{}", c.comm(), number).into_bump_str())
}

/// Names of capabilities, by number (include/uapi/linux/capability.h).
static CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A set of capabilities as text.
pub(super) fn capabilities(set: u64, arena: &Bump) -> &str {
    let mut out = String::new_in(arena);
    for (_, name) in CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(n, _)| set >> n & 1 == 1)
    {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(name);
    }
    out.into_bump_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_named_in_order() {
        let arena = Bump::new();
        assert_eq!(capabilities(0, &arena), "");
        assert_eq!(capabilities(1 << 21 | 1, &arena), "CAP_CHOWN CAP_SYS_ADMIN");
    }
}
