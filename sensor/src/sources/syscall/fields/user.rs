//! `user.*` and `group.*`: the user and group of the process.

use super::{Field, Needs, Type, Value};
use crate::sources::syscall::event::Task;

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    Field::new(
        "user.uid",
        Type::Number,
        Needs::NOTHING,
        "Effective user, as the initial user namespace numbers it.",
        |c, _| Value::Uint(c.event.task.euid.into()),
    ),
    Field::new(
        "user.name",
        Type::String,
        Needs::USERS,
        "Name of the effective user, in a container by the container's passwd; `<NA>` if it has none.",
        |c, _| Value::Str(c.users.user_name(c.container_id(), c.event.task.euid)),
    ),
    Field::new(
        "user.homedir",
        Type::String,
        Needs::USERS,
        "Home directory of the effective user, from where `user.name` comes; `<NA>` if the user is not there.",
        |c, _| Value::Str(c.users.home(c.container_id(), c.event.task.euid)),
    ),
    Field::new(
        "user.shell",
        Type::String,
        Needs::USERS,
        "Login shell of the effective user, from where `user.name` comes; `<NA>` if the user is not there.",
        |c, _| Value::Str(c.users.shell(c.container_id(), c.event.task.euid)),
    ),
    Field::new(
        "user.loginuid",
        Type::Number,
        Needs::NOTHING,
        "Audit login user, -1 if unset.",
        |c, _| Value::Int(loginuid(&c.event.task)),
    ),
    Field::new(
        "user.loginname",
        Type::String,
        Needs::USERS,
        "Name of the audit login user; `<NA>` if it has none or is unset.",
        |c, _| match c.event.task.loginuid {
            u32::MAX => Value::Str("<NA>"),
            uid => Value::Str(c.users.user_name(None, uid)),
        },
    ),
    Field::new(
        "group.gid",
        Type::Number,
        Needs::NOTHING,
        "Effective group, as the initial user namespace numbers it.",
        |c, _| Value::Uint(c.event.task.egid.into()),
    ),
    Field::new(
        "group.name",
        Type::String,
        Needs::USERS,
        "Name of the effective group, in a container by the container's group file; `<NA>` if it has none.",
        |c, _| Value::Str(c.users.group_name(c.container_id(), c.event.task.egid)),
    ),
];

/// The audit login user, -1 if unset.
pub(super) fn loginuid(task: &Task) -> i64 {
    match task.loginuid {
        u32::MAX => -1,
        uid => uid.into(),
    }
}
