//! `proc.env`: the environment of the process.

use bumpalo::collections::Vec;
use config::WantedEnv;

use super::{Argument, ArgumentKind, Context, Field, Needs, Type, Value, process::program};

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    Field {
        argument: ArgumentKind::OptionalName,
        needs: Needs::ENV.union(Needs::PROGRAM),
        printed: Some(|c, a| {
            c.program()
                .map_or(Value::Absent, |p| environment(c, p.env, a, c.env.printed))
        }),
        ..program(
            "proc.env",
            Type::String,
            "Environment, or one variable of it (any of its values, if it is there more than once). Conditions see the whole environment, an output prints at most `sensor.capture.env_limit` bytes of it.",
            |c, a| {
                c.program()
                    .map_or(Value::Absent, |p| environment(c, p.env, a, usize::MAX))
            },
        )
    },
    Field {
        needs: Needs::ENV.union(Needs::PROGRAM),
        ..program(
            "proc.env_truncated",
            Type::Bool,
            "Whether variables may be missing from `proc.env` (not in Falco).",
            |c, _| {
                c.program()
                    .map_or(Value::Absent, |p| Value::Bool(p.env_cut))
            },
        )
    },
];

/// The environment, or one variable of it: the variables that rules may see, and of the environment
/// at most `limit` bytes.
///
/// A variable that is there twice has both values. Programs disagree about which one counts:
/// `getenv` takes the first one, the loader of the GNU C library the last one.
pub(super) fn environment<'a>(
    c: &Context<'a>,
    env: metadata::Strings<'a>,
    argument: &Argument,
    limit: usize,
) -> Value<'a> {
    let wanted = &c.env.variables;
    let mut seen = env.iter().filter(|variable| is_seen(wanted, variable));
    if let Argument::Name(name) = argument {
        let of_name =
            |variable: &'a [u8]| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
        let mut values = seen.filter_map(of_name);
        let Some(first) = values.next() else {
            return Value::Absent;
        };
        let mut all = Vec::new_in(c.arena);
        all.push(Value::Str(c.text(first)));
        all.extend(
            values
                .filter(|value| *value != first)
                .map(|value| Value::Str(c.text(value))),
        );
        return match all.as_slice() {
            [only] => *only,
            _ => Value::List(all.into_bump_slice()),
        };
    }
    if *wanted == WantedEnv::None {
        return Value::Absent;
    }
    let mut joined = Vec::new_in(c.arena);
    while joined.len() <= limit
        && let Some(variable) = seen.next()
    {
        joined.extend_from_slice(variable);
        joined.push(b' ');
    }
    joined.pop();
    joined.truncate(limit);
    Value::Str(c.text(joined.into_bump_slice()))
}

fn is_seen(wanted: &WantedEnv, variable: &[u8]) -> bool {
    let is = |name: &String| {
        let rest = variable.strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"="))
    };
    match wanted {
        WantedEnv::None => false,
        WantedEnv::All => true,
        WantedEnv::Named(names) => names.iter().any(is),
    }
}
