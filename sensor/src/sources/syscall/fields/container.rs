//! `container.*`: the container of the process.
//!
//! On the host, names and ids are `host`, image and labels are empty. In a container that no
//! runtime knows, all fields but the id and the times are null.

use std::fmt::Write as _;

use bumpalo::{Bump, collections::String};
use metadata::{Container, ContainerState, Mount, label};

use super::{Argument, ArgumentKind, Context, Field, Needs, Type, Value};
use crate::sources::syscall::event::task_flag;

const fn of_containers(
    name: &'static str,
    ty: Type,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field::new(name, ty, Needs::CONTAINER, doc, get)
}

const fn named(
    name: &'static str,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field {
        argument: ArgumentKind::Name,
        ..of_containers(name, Type::String, doc, get)
    }
}

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    Field {
        needs: Needs::NOTHING,
        ..of_containers(
            "container.id",
            Type::String,
            "First 12 characters of the container's id; `host` outside of containers, `unknown` where the cgroup is too deep to tell.",
            |c, _| match &c.container {
                ContainerState::Host => Value::Str("host"),
                ContainerState::Unknown(id) => Value::Str(c.arena.alloc_str(id.short())),
                ContainerState::Known(container) => Value::Str(container.id.short()),
            },
        )
    },
    of_containers(
        "container.full_id",
        Type::String,
        "The container's whole id; `host` outside of containers.",
        |c, _| text(c, "host", |container| Some(container.id.full())),
    ),
    of_containers(
        "container.name",
        Type::String,
        "Name of the container in its pod's specification, `POD` of a sandbox; outside of pods the runtime's name; `host` outside of containers.",
        |c, _| text(c, "host", |container| container.name.as_deref()),
    ),
    of_containers(
        "container.type",
        Type::String,
        "What runs the container: `containerd`, `docker`, …; `host` outside of containers.",
        |c, _| text(c, "host", |container| Some(container.runtime)),
    ),
    of_containers(
        "container.image",
        Type::String,
        "Name of the image as it was asked for.",
        |c, _| text(c, "", |container| container.image.as_deref()),
    ),
    of_containers(
        "container.image.repository",
        Type::String,
        "Name of the image without tag and digest.",
        |c, _| text(c, "", |container| container.repository.as_deref()),
    ),
    of_containers(
        "container.image.tag",
        Type::String,
        "Tag of the image.",
        |c, _| text(c, "", |container| container.tag.as_deref()),
    ),
    of_containers(
        "container.image.digest",
        Type::String,
        "Digest of the image's manifest, `sha256:…`.",
        |c, _| text(c, "", |container| container.digest.as_deref()),
    ),
    of_containers(
        "container.image.id",
        Type::String,
        "Id of the image: the digest of its configuration without `sha256:`.",
        |c, _| text(c, "", |container| container.image_id.as_deref()),
    ),
    of_containers(
        "container.privileged",
        Type::Bool,
        "Whether the container is privileged; false outside of containers.",
        |c, _| flag(c, |container| container.privileged),
    ),
    of_containers(
        "container.host_network",
        Type::Bool,
        "Whether the container shares the host's network namespace; false outside of containers.",
        |c, _| flag(c, |container| container.host_network),
    ),
    of_containers(
        "container.host_pid",
        Type::Bool,
        "Whether the container shares the host's pid namespace; false outside of containers.",
        |c, _| flag(c, |container| container.host_pid),
    ),
    of_containers(
        "proc.is_container_runtime",
        Type::Bool,
        "Whether the process is in the container's cgroup and not in its pid namespace, as `runc init` is on the way into the container; false outside of containers, null where the container shares the host's pid namespace or nothing is known of it (not in Falco).",
        |c, _| is_runtime(c),
    ),
    of_containers(
        "container.host_ipc",
        Type::Bool,
        "Whether the container shares the host's IPC namespace; false outside of containers.",
        |c, _| flag(c, |container| container.host_ipc),
    ),
    of_containers(
        "container.mounts",
        Type::String,
        "What is mounted into the container, `source:dest:mode:rdwr:propagation` joined by commas.",
        |c, _| mounts(c),
    ),
    named(
        "container.mount",
        "A mount by number or by its source (with wildcards), `source:dest:mode:rdwr:propagation`.",
        |c, argument| match mount(c, argument, source) {
            Some(mount) => {
                let mut out = String::new_in(c.arena);
                write_mount(mount, &mut out);
                Value::Str(out.into_bump_str())
            }
            None => Value::Absent,
        },
    ),
    named(
        "container.mount.source",
        "Source of a mount, by number or by its destination (with wildcards).",
        |c, argument| mount_text(mount(c, argument, dest), source),
    ),
    named(
        "container.mount.dest",
        "Destination of a mount, by number or by its source (with wildcards).",
        |c, argument| mount_text(mount(c, argument, source), dest),
    ),
    named(
        "container.mount.mode",
        "Mode of a mount, by number or by its source (with wildcards).",
        |c, argument| mount_text(mount(c, argument, source), |mount| &mount.mode),
    ),
    named(
        "container.mount.rdwr",
        "Whether a mount is writable, by number or by its source (with wildcards): `true` or `false`.",
        |c, argument| mount_text(mount(c, argument, source), read_write),
    ),
    named(
        "container.mount.propagation",
        "Propagation of a mount, by number or by its source (with wildcards).",
        |c, argument| mount_text(mount(c, argument, source), |mount| &mount.propagation),
    ),
    of_containers(
        "container.labels",
        Type::String,
        "Labels of the container as its runtime has them, `key:value` joined by `, `.",
        |c, _| match c.container {
            ContainerState::Host => Value::Str(""),
            ContainerState::Unknown(_) => Value::Absent,
            ContainerState::Known(container) => Value::Str(pairs(&container.labels, c.arena)),
        },
    ),
    named(
        "container.label",
        "A label of the container as its runtime has it.",
        |c, argument| match (known(c), argument) {
            (Some(container), Argument::Name(key)) => {
                label(&container.labels, key).map_or(Value::Absent, Value::Str)
            }
            _ => Value::Absent,
        },
    ),
    Field {
        needs: Needs::NOTHING,
        ..of_containers(
            "container.start_ts",
            Type::Number,
            "When the first process of the pid namespace started, nanoseconds since the epoch.",
            |c, _| started(c).map_or(Value::Absent, Value::Uint),
        )
    },
    Field {
        needs: Needs::NOTHING,
        ..of_containers(
            "container.duration",
            Type::Number,
            "Nanoseconds since `container.start_ts`.",
            |c, _| match started(c) {
                Some(start) => Value::Uint(c.time.saturating_sub(start)),
                None => Value::Absent,
            },
        )
    },
];

/// The container, if the sensor knows it.
pub(super) fn known<'a>(context: &Context<'a>) -> Option<&'a Container> {
    match context.container {
        ContainerState::Known(container) => Some(container),
        ContainerState::Host | ContainerState::Unknown(_) => None,
    }
}

fn text<'a>(
    context: &Context<'a>,
    host: &'static str,
    get: fn(&'a Container) -> Option<&'a str>,
) -> Value<'a> {
    match context.container {
        ContainerState::Host => Value::Str(host),
        ContainerState::Unknown(_) => Value::Absent,
        ContainerState::Known(container) => get(container).map_or(Value::Absent, Value::Str),
    }
}

fn flag<'a>(context: &Context<'a>, get: fn(&'a Container) -> Option<bool>) -> Value<'a> {
    match context.container {
        ContainerState::Host => Value::Bool(false),
        ContainerState::Unknown(_) => Value::Absent,
        ContainerState::Known(container) => get(container).map_or(Value::Absent, Value::Bool),
    }
}

fn started(context: &Context<'_>) -> Option<u64> {
    match context.event.task.pid_ns_start {
        0 => None,
        start => Some(start.saturating_add_signed(context.boot_to_utc)),
    }
}

fn source(mount: &Mount) -> &str {
    &mount.source
}

fn dest(mount: &Mount) -> &str {
    &mount.dest
}

fn read_write(mount: &Mount) -> &str {
    if mount.read_write { "true" } else { "false" }
}

fn mount_text<'a>(mount: Option<&'a Mount>, get: fn(&'a Mount) -> &'a str) -> Value<'a> {
    mount.map_or(Value::Absent, |mount| Value::Str(get(mount)))
}

/// The mount with that number, or the first mount whose `key` matches.
fn mount<'a>(
    context: &Context<'a>,
    argument: &Argument,
    key: fn(&Mount) -> &str,
) -> Option<&'a Mount> {
    let mounts = &known(context)?.mounts;
    match argument {
        Argument::Name(pattern) => match pattern.parse::<usize>() {
            Ok(number) => mounts.get(number),
            Err(_) => mounts
                .iter()
                .find(|mount| matches(pattern.as_bytes(), key(mount).as_bytes())),
        },
        Argument::Index(number) => mounts.get(*number as usize),
        Argument::None => None,
    }
}

/// Whether a text matches a pattern with `*` (any text, also slashes) and `?` (one character).
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&b) if b == b'?' || b == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                // Let the last star match one more byte.
                let Some((after, from)) = star else {
                    return false;
                };
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

fn mounts<'a>(context: &Context<'a>) -> Value<'a> {
    let container = match context.container {
        ContainerState::Host => return Value::Str(""),
        ContainerState::Unknown(_) => return Value::Absent,
        ContainerState::Known(container) => container,
    };
    let mut out = String::new_in(context.arena);
    for mount in &container.mounts {
        if !out.is_empty() {
            out.push(',');
        }
        write_mount(mount, &mut out);
    }
    Value::Str(out.into_bump_str())
}

fn write_mount(mount: &Mount, out: &mut String<'_>) {
    // Writing to memory does not fail.
    let _ = write!(
        out,
        "{}:{}:{}:{}:{}",
        mount.source,
        mount.dest,
        mount.mode,
        read_write(mount),
        mount.propagation
    );
}

/// `key:value` joined by `, `; a label without a value is its key alone.
fn pairs<'a>(labels: &[(Box<str>, Box<str>)], arena: &'a Bump) -> &'a str {
    let mut out = String::new_in(arena);
    for (key, value) in labels {
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(key);
        if !value.is_empty() {
            out.push(':');
            out.push_str(value);
        }
    }
    out.into_bump_str()
}

/// Whether the process of a container's cgroup is in the initial pid namespace although the container
/// has one of its own. A process of the container cannot get there by its name, arguments or program.
/// (One with the rights of the host can join the namespace: no rule should leave out such events.)
fn is_runtime(c: &Context<'_>) -> Value<'static> {
    let is_outside = c.event.task.flags & task_flag::INITIAL_PID_NS != 0;
    match &c.container {
        ContainerState::Known(container) if container.host_pid == Some(false) => {
            Value::Bool(is_outside)
        }
        ContainerState::Known(_) | ContainerState::Unknown(_) if is_outside => Value::Absent,
        _ => Value::Bool(false),
    }
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
