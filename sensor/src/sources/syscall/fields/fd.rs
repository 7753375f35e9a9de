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
};
use crate::sources::syscall::event::{Connect, Detail};

const fn field(
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
        ..field(name, ty, doc, get)
    }
}

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    Field {
        classes: CONNECT.union(DESCRIPTOR_CALLS),
        ..field(
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
    field(
        "fd.type",
        Type::String,
        "Kind of the descriptor: `ipv4`, `ipv6`, `unix`, `netlink`, …",
        |c, _| {
            raw(c)
                .and_then(kind)
                .map_or(Value::Absent, |k| Value::Str(k.0))
        },
    ),
    field(
        "fd.typechar",
        Type::String,
        "Kind of the descriptor as one character: `4`, `6`, `u`, `n`, `f`, `o`.",
        |c, _| raw(c).map_or(Value::Absent, |r| Value::Str(kind(r).map_or("o", |k| k.1))),
    ),
    field(
        "fd.name",
        Type::String,
        "Both endpoints, `local:port->remote:port`, or the path of a unix socket.",
        |c, _| Value::Str(name(c)),
    ),
    field(
        "fd.ino",
        Type::Number,
        "Inode number of the socket.",
        |c, _| match raw(c) {
            Some(connect) if connect.inode != 0 => Value::Uint(connect.inode),
            _ => Value::Absent,
        },
    ),
    field(
        "fd.l4proto",
        Type::String,
        "`tcp`, `udp`, `icmp`, `raw`; `<NA>` for others.",
        |c, _| l4proto(c),
    ),
    field(
        "fd.proto",
        Type::String,
        "The same as `fd.l4proto`.",
        |c, _| l4proto(c),
    ),
    field(
        "fd.cproto",
        Type::String,
        "Port of the client, as text.",
        |c, _| port_text(c, local_port),
    ),
    field(
        "fd.sproto",
        Type::String,
        "Port of the server, as text.",
        |c, _| port_text(c, remote_port),
    ),
    field(
        "fd.lproto",
        Type::String,
        "Port of the local endpoint, as text.",
        |c, _| port_text(c, local_port),
    ),
    field(
        "fd.rproto",
        Type::String,
        "Port of the remote endpoint, as text.",
        |c, _| port_text(c, remote_port),
    ),
    field(
        "fd.cip",
        Type::Ip,
        "Address of the client, who is the one that connects.",
        |c, _| address(c, local),
    ),
    field("fd.sip", Type::Ip, "Address of the server.", |c, _| {
        address(c, remote)
    }),
    field(
        "fd.lip",
        Type::Ip,
        "Address of the local endpoint.",
        |c, _| address(c, local),
    ),
    field(
        "fd.rip",
        Type::Ip,
        "Address of the remote endpoint.",
        |c, _| address(c, remote),
    ),
    field("fd.cport", Type::Number, "Port of the client.", |c, _| {
        port(c, local_port)
    }),
    field("fd.sport", Type::Number, "Port of the server.", |c, _| {
        port(c, remote_port)
    }),
    field(
        "fd.lport",
        Type::Number,
        "Port of the local endpoint.",
        |c, _| port(c, local_port),
    ),
    field(
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
    field(
        "fd.sockfamily",
        Type::String,
        "`ip` or `unix`.",
        |c, _| match raw(c).map(|connect| connect.family) {
            Some(AF_INET | AF_INET6) => Value::Str("ip"),
            Some(AF_UNIX) => Value::Str("unix"),
            _ => Value::Absent,
        },
    ),
    field(
        "fd.is_server",
        Type::Bool,
        "Whether the remote address is one of this machine's (loopback too).",
        |c, _| match raw(c).and_then(|r| Some((local(r)?, remote(r)?))) {
            Some((local, remote)) => Value::Bool(remote.is_loopback() || local == remote),
            None => Value::Bool(false),
        },
    ),
    field(
        "fd.connected",
        Type::Bool,
        "Whether the socket is connected, or about to be (EINPROGRESS).",
        |c, _| Value::Bool(raw(c).is_some_and(is_connected)),
    ),
    field(
        "fd.name_changed",
        Type::Bool,
        "Whether this event set or changed the peer.",
        |c, _| Value::Bool(raw(c).is_some_and(is_renamed)),
    ),
    field("fd.dev", Type::Number, "Always 0 for a socket.", |_, _| {
        Value::Uint(0)
    }),
    field(
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
