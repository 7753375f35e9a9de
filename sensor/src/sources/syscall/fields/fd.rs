//! `fd.*`: the socket of a connect, and the descriptor of other events.

use std::net::IpAddr;

use bumpalo::format;

use super::{
    Argument, Context, Field, Needs, Type, Value,
    arguments::{Row, rows},
    call,
    class::{CONNECT, DESCRIPTOR_CALLS},
    community,
    endpoints::{
        AF_INET, AF_INET6, AF_UNIX, given, is_connected, is_open, is_renamed, kind, local,
        local_port, name, protocol, remote, remote_port,
    },
    registry::Getter,
};
use crate::sources::syscall::event::{Connect, Detail};

const fn of_connects(
    name: &'static str,
    ty: Type,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field {
        classes: CONNECT,
        ..Field::new(name, ty, Needs::NOTHING, doc, get)
    }
}

/// A field that compares either endpoint, or that compares with networks.
const fn condition(
    name: &'static str,
    ty: Type,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field {
        condition_only: true,
        each: true,
        ..of_connects(name, ty, doc, get)
    }
}

/// A field of domain names: conditions see all names of an address that rules mention, an output
/// prints one of them.
const fn domain(name: &'static str, doc: &'static str, get: Getter, printed: Getter) -> Field {
    Field {
        each: true,
        printed: Some(printed),
        classes: CONNECT,
        ..Field::new(name, Type::String, Needs::NOTHING, doc, get)
    }
}

/// The names of `domain` fields.
pub const DOMAINS: [&str; 4] = ["fd.cip.name", "fd.sip.name", "fd.lip.name", "fd.rip.name"];

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    Field {
        classes: CONNECT.union(DESCRIPTOR_CALLS),
        ..of_connects(
            "fd.num",
            Type::Number,
            "Number of the descriptor.",
            |c, _| match c.event.detail {
                Detail::Connect(connect) if connect.fixed.fd >= 0 => {
                    Value::Int(connect.fixed.fd.into())
                }
                Detail::Call(call) => call::descriptor(&call).map_or(Value::Absent, Value::Int),
                Detail::Exec(_) | Detail::Connect(_) => Value::Absent,
            },
        )
    },
    of_connects(
        "fd.type",
        Type::String,
        "Kind of the descriptor: `ipv4`, `ipv6`, `unix`, `netlink`, …",
        |c, _| {
            raw(c)
                .and_then(kind)
                .map_or(Value::Absent, |k| Value::Str(k.0))
        },
    ),
    of_connects(
        "fd.typechar",
        Type::String,
        "Kind of the descriptor as one character: `4`, `6`, `u`, `n`, `f`, `o`.",
        |c, _| raw(c).map_or(Value::Absent, |r| Value::Str(kind(r).map_or("o", |k| k.1))),
    ),
    of_connects(
        "fd.name",
        Type::String,
        "Both endpoints, `local:port->remote:port`, or the path of a unix socket.",
        |c, _| Value::Str(name(c)),
    ),
    of_connects(
        "fd.ino",
        Type::Number,
        "Inode number of the socket.",
        |c, _| match raw(c) {
            Some(connect) if connect.inode != 0 => Value::Uint(connect.inode),
            _ => Value::Absent,
        },
    ),
    of_connects(
        "fd.l4proto",
        Type::String,
        "`tcp`, `udp`, `icmp`, `raw`; `<NA>` for others.",
        |c, _| l4proto(c),
    ),
    of_connects(
        "fd.proto",
        Type::String,
        "The same as `fd.l4proto`.",
        |c, _| l4proto(c),
    ),
    of_connects(
        "fd.cproto",
        Type::String,
        "Port of the client, as text.",
        |c, _| port_text(c, local_port),
    ),
    of_connects(
        "fd.sproto",
        Type::String,
        "Port of the server, as text.",
        |c, _| port_text(c, remote_port),
    ),
    of_connects(
        "fd.lproto",
        Type::String,
        "Port of the local endpoint, as text.",
        |c, _| port_text(c, local_port),
    ),
    of_connects(
        "fd.rproto",
        Type::String,
        "Port of the remote endpoint, as text.",
        |c, _| port_text(c, remote_port),
    ),
    of_connects(
        "fd.cip",
        Type::Ip,
        "Address of the client, who is the one that connects.",
        |c, _| address(c, local),
    ),
    of_connects("fd.sip", Type::Ip, "Address of the server.", |c, _| {
        address(c, remote)
    }),
    of_connects(
        "fd.lip",
        Type::Ip,
        "Address of the local endpoint.",
        |c, _| address(c, local),
    ),
    of_connects(
        "fd.rip",
        Type::Ip,
        "Address of the remote endpoint.",
        |c, _| address(c, remote),
    ),
    of_connects("fd.cport", Type::Number, "Port of the client.", |c, _| {
        port(c, local_port)
    }),
    of_connects("fd.sport", Type::Number, "Port of the server.", |c, _| {
        port(c, remote_port)
    }),
    of_connects(
        "fd.lport",
        Type::Number,
        "Port of the local endpoint.",
        |c, _| port(c, local_port),
    ),
    of_connects(
        "fd.rport",
        Type::Number,
        "Port of the remote endpoint.",
        |c, _| port(c, remote_port),
    ),
    condition("fd.ip", Type::Ip, "Address of either endpoint.", |c, _| {
        ips(c)
    }),
    condition(
        "fd.net",
        Type::Net,
        "Network of either endpoint.",
        |c, _| ips(c),
    ),
    condition("fd.cnet", Type::Net, "Network of the client.", |c, _| {
        address(c, local)
    }),
    condition("fd.snet", Type::Net, "Network of the server.", |c, _| {
        address(c, remote)
    }),
    condition(
        "fd.lnet",
        Type::Net,
        "Network of the local endpoint.",
        |c, _| address(c, local),
    ),
    condition(
        "fd.rnet",
        Type::Net,
        "Network of the remote endpoint.",
        |c, _| address(c, remote),
    ),
    condition(
        "fd.port",
        Type::Number,
        "Port of either endpoint.",
        |c, _| either(c, port(c, local_port), port(c, remote_port)),
    ),
    of_connects(
        "fd.sockfamily",
        Type::String,
        "`ip` or `unix`.",
        |c, _| match raw(c).map(|connect| connect.family) {
            Some(AF_INET | AF_INET6) => Value::Str("ip"),
            Some(AF_UNIX) => Value::Str("unix"),
            _ => Value::Absent,
        },
    ),
    of_connects(
        "fd.is_server",
        Type::Bool,
        "Whether the remote address is one of this machine's (loopback too).",
        |c, _| match raw(c).and_then(|r| Some((local(r)?, remote(r)?))) {
            Some((local, remote)) => Value::Bool(remote.is_loopback() || local == remote),
            None => Value::Bool(false),
        },
    ),
    of_connects(
        "fd.connected",
        Type::Bool,
        "Whether the socket is connected, or about to be (EINPROGRESS).",
        |c, _| Value::Bool(raw(c).is_some_and(is_connected)),
    ),
    of_connects(
        "fd.name_changed",
        Type::Bool,
        "Whether this event set or changed the peer.",
        |c, _| Value::Bool(raw(c).is_some_and(is_renamed)),
    ),
    of_connects("fd.dev", Type::Number, "Always 0 for a socket.", |_, _| {
        Value::Uint(0)
    }),
    of_connects(
        "fd.dev.major",
        Type::Number,
        "Always 0 for a socket.",
        |_, _| Value::Uint(0),
    ),
    of_connects(
        "fd.dev.minor",
        Type::Number,
        "Always 0 for a socket.",
        |_, _| Value::Uint(0),
    ),
    of_connects(
        "fd.is_upper_layer",
        Type::Bool,
        "Always false for a socket.",
        |_, _| Value::Bool(false),
    ),
    of_connects(
        "fd.is_lower_layer",
        Type::Bool,
        "Always false for a socket.",
        |_, _| Value::Bool(false),
    ),
    of_connects(
        "fd.nameraw",
        Type::String,
        "The same as `fd.name`.",
        |c, _| Value::Str(name(c)),
    ),
    of_connects(
        "fd.uid",
        Type::String,
        "Thread id and number of the descriptor, without anything between.",
        |c, _| match raw(c) {
            Some(connect) => {
                let (tid, fd) = (c.event.task.tid, connect.fd);
                Value::Str(format!(in c.arena, "{}{}", tid, fd).into_bump_str())
            }
            None => Value::Absent,
        },
    ),
    of_connects(
        "fd.containername",
        Type::String,
        "`container.id` and `fd.name`, joined by a colon.",
        |c, _| {
            let id = c
                .container_id()
                .map_or("host", |id| c.arena.alloc_str(id.short()));
            Value::Str(format!(in c.arena, "{}:{}", id, name(c)).into_bump_str())
        },
    ),
    domain(
        "fd.cip.name",
        "Domain name of the client, of the names with which rules compare this field and its like.",
        |c, _| names(c, local),
        |c, _| first_name(c, local),
    ),
    domain(
        "fd.sip.name",
        "Domain name of the server, of the names with which rules compare this field and its like.",
        |c, _| names(c, remote),
        |c, _| first_name(c, remote),
    ),
    domain(
        "fd.lip.name",
        "Domain name of the local endpoint, of the names with which rules compare this field and its like.",
        |c, _| names(c, local),
        |c, _| first_name(c, local),
    ),
    domain(
        "fd.rip.name",
        "Domain name of the remote endpoint, of the names with which rules compare this field and its like.",
        |c, _| names(c, remote),
        |c, _| first_name(c, remote),
    ),
    of_connects(
        "community_id",
        Type::String,
        "Community ID v1 of the flow, which Zeek and Suricata also give (not in Falco).",
        |c, _| community(c),
    ),
];

/// A connect's arguments, in the order in which `evt.args` has them, after `res`.
pub(super) static ARGUMENTS: &[Row] = rows! {
    "tuple", "The same as `fd.name`.", |c| Value::Str(name(c));
    "fd", "Number of the descriptor.", |c| match raw(c) {
        Some(connect) => Value::Str(format!(in c.arena, "{}", connect.fd).into_bump_str()),
        None => Value::Absent,
    };
    "addr", "Address that the caller gave, even if the kernel connected to another one.", |c| given(c);
};

/// The names of an address that rules mention; an empty text if there are none, so that it differs
/// from all names.
fn names<'a>(c: &Context<'a>, end: fn(Connect) -> Option<IpAddr>) -> Value<'a> {
    let Some(address) = raw(c).and_then(end) else {
        return Value::Absent;
    };
    match c.domains.names(address) {
        [] => Value::Str(""),
        [only] => Value::Str(only),
        several => {
            let values = several.iter().map(|name| Value::Str(name));
            Value::List(c.arena.alloc_slice_fill_iter(values))
        }
    }
}

fn first_name<'a>(c: &Context<'a>, end: fn(Connect) -> Option<IpAddr>) -> Value<'a> {
    let address = raw(c).and_then(end);
    let first = address.and_then(|address| c.domains.names(address).first());
    first.map_or(Value::Absent, |name| Value::Str(name))
}

fn raw(c: &Context<'_>) -> Option<Connect> {
    c.event.connect().map(|connect| connect.fixed)
}

/// `fd.l4proto`; absent for a descriptor that is not open.
fn l4proto<'a>(c: &Context<'a>) -> Value<'a> {
    match raw(c) {
        Some(connect) if is_open(connect) => Value::Str(protocol(connect)),
        _ => Value::Absent,
    }
}

fn address<'a>(c: &Context<'a>, end: fn(Connect) -> Option<IpAddr>) -> Value<'a> {
    raw(c).and_then(end).map_or(Value::Absent, Value::Ip)
}

fn port<'a>(c: &Context<'a>, end: fn(Connect) -> Option<u16>) -> Value<'a> {
    raw(c)
        .and_then(end)
        .map_or(Value::Absent, |port| Value::Uint(port.into()))
}

fn port_text<'a>(c: &Context<'a>, end: fn(Connect) -> Option<u16>) -> Value<'a> {
    match raw(c).and_then(end) {
        Some(port) => Value::Str(format!(in c.arena, "{}", port).into_bump_str()),
        None => Value::Absent,
    }
}

/// Both values, or the only one that is present.
fn either<'a>(c: &Context<'a>, local: Value<'a>, remote: Value<'a>) -> Value<'a> {
    match (local, remote) {
        (Value::Absent, one) | (one, Value::Absent) => one,
        (local, remote) => Value::List(c.arena.alloc([local, remote])),
    }
}

fn ips<'a>(c: &Context<'a>) -> Value<'a> {
    either(c, address(c, local), address(c, remote))
}

fn community<'a>(c: &Context<'a>) -> Value<'a> {
    let id = raw(c).and_then(|connect| {
        let a = (local(connect)?, local_port(connect)?);
        let b = (remote(connect)?, remote_port(connect)?);
        community::id(a, b, connect.protocol, c.arena)
    });
    id.map_or(Value::Absent, Value::Str)
}
