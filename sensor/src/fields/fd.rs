//! `fd.*`: the socket of a connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bumpalo::format;

use super::{Argument, ArgumentKind, Context, Field, Kinds, Needs, Type, Value, community};
use crate::event::{Connect, connect_flag};

const fn field(
    name: &'static str,
    ty: Type,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field {
        name,
        ty,
        argument: ArgumentKind::None,
        kinds: Kinds::CONNECT,
        needs: Needs::NOTHING,
        doc,
        get,
        condition_only: false,
    }
}

/// A field that is compared with either end, or with networks.
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
    field(
        "fd.num",
        Type::Number,
        "Number of the descriptor.",
        |c, _| match raw(c) {
            Some(connect) if connect.fd >= 0 => Value::Int(connect.fd.into()),
            _ => Value::Absent,
        },
    ),
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
        "Both ends, `local:port->remote:port`, or the path of a unix socket.",
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
        |c, _| Value::Str(raw(c).map_or("<NA>", protocol)),
    ),
    field(
        "fd.proto",
        Type::String,
        "The same as `fd.l4proto`.",
        |c, _| Value::Str(raw(c).map_or("<NA>", protocol)),
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
        "Port of the local end, as text.",
        |c, _| port_text(c, local_port),
    ),
    field(
        "fd.rproto",
        Type::String,
        "Port of the remote end, as text.",
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
    field("fd.lip", Type::Ip, "Address of the local end.", |c, _| {
        address(c, local)
    }),
    field("fd.rip", Type::Ip, "Address of the remote end.", |c, _| {
        address(c, remote)
    }),
    field("fd.cport", Type::Number, "Port of the client.", |c, _| {
        port(c, local_port)
    }),
    field("fd.sport", Type::Number, "Port of the server.", |c, _| {
        port(c, remote_port)
    }),
    field(
        "fd.lport",
        Type::Number,
        "Port of the local end.",
        |c, _| port(c, local_port),
    ),
    field(
        "fd.rport",
        Type::Number,
        "Port of the remote end.",
        |c, _| port(c, remote_port),
    ),
    condition("fd.ip", Type::Ip, "Address of either end.", |c, _| {
        either(c)
    }),
    condition("fd.net", Type::Net, "Network of either end.", |c, _| {
        either(c)
    }),
    condition("fd.cnet", Type::Net, "Network of the client.", |c, _| {
        address(c, local)
    }),
    condition("fd.snet", Type::Net, "Network of the server.", |c, _| {
        address(c, remote)
    }),
    condition("fd.lnet", Type::Net, "Network of the local end.", |c, _| {
        address(c, local)
    }),
    condition(
        "fd.rnet",
        Type::Net,
        "Network of the remote end.",
        |c, _| address(c, remote),
    ),
    condition("fd.port", Type::Number, "Port of either end.", |c, _| {
        let (Value::Uint(a), b) = (port(c, local_port), port(c, remote_port)) else {
            return port(c, remote_port);
        };
        list(c, [Value::Uint(a), b])
    }),
    field(
        "fd.sockfamily",
        Type::String,
        "`ip` or `unix`.",
        |c, _| match raw(c).map(family) {
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
        |c, _| Value::Bool(raw(c).is_some_and(is_connected)),
    ),
    field("fd.dev", Type::Number, "Always 0 for a socket.", |_, _| {
        Value::Uint(0)
    }),
    Field {
        ..field(
            "community_id",
            Type::String,
            "Community ID v1 of the flow, which Zeek and Suricata also give (not in Falco).",
            |c, _| {
                let Some(connect) = raw(c) else {
                    return Value::Absent;
                };
                match (local(connect), remote(connect)) {
                    (Some(l), Some(r)) if connect.local_port != 0 => community::id(
                        l,
                        connect.local_port,
                        r,
                        remote_port(connect),
                        connect.protocol,
                        c.arena,
                    )
                    .map_or(Value::Absent, Value::Str),
                    _ => Value::Absent,
                }
            },
        )
    },
];

/// Names of a connect's arguments, in the order in which `evt.args` has them.
pub(super) const ARGUMENTS: &[&str] = &["res", "tuple", "fd", "addr"];

/// An argument of a connect by its name or number.
pub(super) fn argument<'a>(c: &Context<'a>, wanted: &str) -> Value<'a> {
    let Some(connect) = raw(c) else {
        return Value::Absent;
    };
    match wanted {
        "fd" => Value::Str(format!(in c.arena, "{}", connect.fd).into_bump_str()),
        "tuple" => Value::Str(name(c)),
        "addr" => given(c, &connect),
        _ => match wanted.parse::<usize>().ok().and_then(|i| ARGUMENTS.get(i)) {
            Some(name) => super::evt::by_name(c, name),
            None => Value::Absent,
        },
    }
}

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;
const AF_PACKET: u16 = 17;

fn raw(c: &Context<'_>) -> Option<Connect> {
    c.event.connect().map(|connect| connect.fixed)
}

/// Family of the socket.
fn family(connect: Connect) -> u16 {
    connect.family
}

/// `fd.type` and `fd.typechar`. An IPv6 socket whose ends are IPv4 is IPv4, as
/// in Falco.
fn kind(connect: Connect) -> Option<(&'static str, &'static str)> {
    match connect.family {
        AF_INET => Some(("ipv4", "4")),
        AF_INET6 if remote(connect).is_some_and(|ip| ip.is_ipv4()) => Some(("ipv4", "4")),
        AF_INET6 => Some(("ipv6", "6")),
        AF_UNIX => Some(("unix", "u")),
        AF_NETLINK => Some(("netlink", "n")),
        AF_PACKET => Some(("packet", "p")),
        0 if connect.flags & connect_flag::NOT_A_SOCKET != 0 => Some(("file", "f")),
        _ => None,
    }
}

fn protocol(connect: Connect) -> &'static str {
    if !matches!(connect.family, AF_INET | AF_INET6) {
        return "<NA>";
    }
    match (i32::from(connect.protocol), i32::from(connect.socket_type)) {
        (libc::IPPROTO_TCP | libc::IPPROTO_MPTCP, _) => "tcp",
        (libc::IPPROTO_UDP | libc::IPPROTO_UDPLITE, _) => "udp",
        (_, libc::SOCK_RAW) => "raw",
        (libc::IPPROTO_ICMP | libc::IPPROTO_ICMPV6, _) => "icmp",
        _ => "<NA>",
    }
}

/// Bytes of an address as an address; one mapped into IPv6 is IPv4.
fn ip(family: u16, bytes: [u8; 16]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        AF_INET6 => Some(Ipv6Addr::from(bytes).to_canonical()),
        _ => None,
    }
}

/// Whether the kernel knew the remote end; else what the caller gave counts.
fn kernel_knows(connect: Connect) -> bool {
    connect.remote_port != 0 || (connect.result >= 0 && connect.given_port == 0)
}

fn remote(connect: Connect) -> Option<IpAddr> {
    if !matches!(connect.family, AF_INET | AF_INET6) {
        return None;
    }
    if kernel_knows(connect) {
        return ip(connect.family, connect.remote);
    }
    ip(connect.given_family, connect.given)
}

/// None where a failed attempt was given no source.
fn local(connect: Connect) -> Option<IpAddr> {
    ip(connect.family, connect.local).filter(|ip| connect.result >= 0 || !ip.is_unspecified())
}

fn remote_port(connect: Connect) -> u16 {
    if kernel_knows(connect) {
        connect.remote_port
    } else {
        connect.given_port
    }
}

fn local_port(connect: Connect) -> u16 {
    connect.local_port
}

fn is_connected(connect: Connect) -> bool {
    connect.result >= 0 || connect.result == -i64::from(libc::EINPROGRESS)
}

fn address<'a>(c: &Context<'a>, end: fn(Connect) -> Option<IpAddr>) -> Value<'a> {
    raw(c).and_then(end).map_or(Value::Absent, Value::Ip)
}

/// A port; absent without an address, or where a failed attempt had none yet.
fn port<'a>(c: &Context<'a>, end: fn(Connect) -> u16) -> Value<'a> {
    match raw(c) {
        Some(connect) if remote(connect).is_some() => match end(connect) {
            0 if connect.result < 0 => Value::Absent,
            port => Value::Uint(port.into()),
        },
        _ => Value::Absent,
    }
}

fn port_text<'a>(c: &Context<'a>, end: fn(Connect) -> u16) -> Value<'a> {
    match port(c, end) {
        Value::Uint(port) => Value::Str(format!(in c.arena, "{}", port).into_bump_str()),
        _ => Value::Absent,
    }
}

fn either<'a>(c: &Context<'a>) -> Value<'a> {
    match (address(c, local), address(c, remote)) {
        (Value::Absent, remote) => remote,
        (local, remote) => list(c, [local, remote]),
    }
}

fn list<'a>(c: &Context<'a>, values: [Value<'a>; 2]) -> Value<'a> {
    Value::List(c.arena.alloc(values))
}

/// `fd.name`.
fn name<'a>(c: &Context<'a>) -> &'a str {
    let Some(connect) = c.event.connect() else {
        return "";
    };
    let fixed = connect.fixed;
    if fixed.family == AF_UNIX {
        return unix_name(c, connect.path);
    }
    let Some(remote) = remote(fixed) else {
        return "";
    };
    let text = match (local(fixed), protocol(fixed)) {
        (Some(local), "raw" | "icmp") => format!(in c.arena, "{}->{}", local, remote),
        (Some(local), _) => {
            format!(in c.arena, "{}:{}->{}:{}", local, fixed.local_port, remote, remote_port(fixed))
        }
        (None, "raw" | "icmp") => format!(in c.arena, "->{}", remote),
        (None, _) => format!(in c.arena, "->{}:{}", remote, remote_port(fixed)),
    };
    text.into_bump_str()
}

/// Path of a unix socket, or `@` and its abstract name.
fn unix_name<'a>(c: &Context<'a>, path: &'a [u8]) -> &'a str {
    match path {
        [0, name @ ..] => {
            let name = c.text(name);
            format!(in c.arena, "@{}", name).into_bump_str()
        }
        _ => c.text(&path[..memchr::memchr(0, path).unwrap_or(path.len())]),
    }
}

/// The address that the caller gave, as text.
fn given<'a>(c: &Context<'a>, connect: &Connect) -> Value<'a> {
    match connect.given_family {
        AF_UNIX => Value::Str(c.event.connect().map_or("", |e| unix_name(c, e.path))),
        AF_INET => ip(AF_INET, connect.given).map_or(Value::Absent, |ip| {
            Value::Str(format!(in c.arena, "{}:{}", ip, connect.given_port).into_bump_str())
        }),
        AF_INET6 => {
            let ip = Ipv6Addr::from(connect.given);
            Value::Str(format!(in c.arena, "{}:{}", ip, connect.given_port).into_bump_str())
        }
        _ => Value::Absent,
    }
}
