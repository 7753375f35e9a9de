//! Both endpoints of a connection attempt, and what its descriptor refers to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bumpalo::{collections::Vec, format};
use falco_rules::Buffer as _;
use metadata::Names;

use super::{Context, Value};
use crate::sources::syscall::event::{Connect, connect_flag};

pub(super) const AF_UNIX: u16 = 1;
pub(super) const AF_INET: u16 = 2;
pub(super) const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;
const AF_PACKET: u16 = 17;
/// Room for two endpoints of IPv4.
const ENDPOINTS_LEN: usize = "255.255.255.255:65535->255.255.255.255:65535".len();

/// Whether the descriptor is open.
pub(super) fn is_open(connect: Connect) -> bool {
    connect.family != 0 || connect.flags & connect_flag::NOT_A_SOCKET != 0
}

/// `fd.type` and `fd.typechar`. As in Falco, an IPv6 socket whose endpoints are IPv4 counts as
/// IPv4.
pub(super) fn kind(connect: Connect) -> Option<(&'static str, &'static str)> {
    match connect.family {
        AF_INET => Some(("ipv4", "4")),
        AF_INET6 if remote(connect).is_some_and(|ip| ip.is_ipv4()) => Some(("ipv4", "4")),
        AF_INET6 => Some(("ipv6", "6")),
        AF_UNIX => Some(("unix", "u")),
        AF_NETLINK => Some(("netlink", "n")),
        AF_PACKET => Some(("packet", "p")),
        0 if is_open(connect) => Some(("file", "f")),
        _ => None,
    }
}

/// `fd.l4proto`.
pub(super) fn protocol(connect: Connect) -> &'static str {
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

/// An address from its bytes. An IPv4 address mapped into IPv6 becomes IPv4.
fn ip(family: u16, bytes: [u8; 16]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        AF_INET6 => Some(Ipv6Addr::from(bytes).to_canonical()),
        _ => None,
    }
}

/// Whether the kernel's socket had the remote endpoint; if not, the address that the caller gave
/// counts.
fn kernel_knows(connect: Connect) -> bool {
    connect.remote_port != 0 || connect.result >= 0
}

/// The remote address: the kernel's, or the one that the caller gave if the kernel did not take it.
/// None if the address that the caller gave is of another family than the socket.
pub(super) fn remote(connect: Connect) -> Option<IpAddr> {
    if !matches!(connect.family, AF_INET | AF_INET6) {
        return None;
    }
    if kernel_knows(connect) {
        return ip(connect.family, connect.remote);
    }
    let mismatch = connect.result == -i64::from(libc::EAFNOSUPPORT);
    ip(connect.given_family, connect.given).filter(|_| !mismatch)
}

/// The local address; none if the kernel chose no source for a failed attempt.
pub(super) fn local(connect: Connect) -> Option<IpAddr> {
    ip(connect.family, connect.local).filter(|ip| connect.result >= 0 || !ip.is_unspecified())
}

/// The addresses of both endpoints that are known.
pub fn endpoints_of(connect: Connect) -> impl Iterator<Item = IpAddr> {
    [local(connect), remote(connect)].into_iter().flatten()
}

/// The remote port; none without an address.
pub(super) fn remote_port(connect: Connect) -> Option<u16> {
    remote(connect)?;
    Some(if kernel_knows(connect) {
        connect.remote_port
    } else {
        connect.given_port
    })
}

/// The local port; none if an attempt that has not succeeded (yet) had no port.
pub(super) fn local_port(connect: Connect) -> Option<u16> {
    remote(connect)?;
    Some(connect.local_port).filter(|port| *port != 0 || connect.result >= 0)
}

/// Whether the socket is connected, or about to be connected.
pub(super) fn is_connected(connect: Connect) -> bool {
    connect.result >= 0 || connect.result == -i64::from(libc::EINPROGRESS)
}

/// Whether this call gave the socket its endpoints. TCP sets them when an attempt begins: a second
/// call that only asks for the result changes nothing.
pub(super) fn is_renamed(connect: Connect) -> bool {
    let stream = i32::from(connect.protocol) == libc::IPPROTO_TCP;
    is_connected(connect) && (!stream || connect.flags & connect_flag::BEGUN != 0)
}

/// `fd.name`.
pub(super) fn name<'a>(c: &Context<'a>) -> &'a str {
    let Some(connect) = c.event.connect() else {
        return "";
    };
    let fixed = connect.fixed;
    if !is_open(fixed) {
        return "NULL"; // as Falco calls it
    }
    if fixed.flags & connect_flag::NOT_A_SOCKET != 0 {
        let mut path = Vec::with_capacity_in(connect.path.len() + 1, c.arena);
        Names(connect.path).write_path(&mut path);
        return c.text(path.into_bump_slice());
    }
    if fixed.family == AF_UNIX {
        return unix_name(c, connect.path);
    }
    let (Some(remote), Some(remote_port)) = (remote(fixed), remote_port(fixed)) else {
        return "";
    };
    let has_ports = !matches!(protocol(fixed), "raw" | "icmp");
    let mut text = Vec::with_capacity_in(ENDPOINTS_LEN, c.arena);
    if let Some(local) = local(fixed) {
        write_endpoint(&mut text, local, fixed.local_port, has_ports);
    }
    text.extend_from_slice_copy(b"->");
    write_endpoint(&mut text, remote, remote_port, has_ports);
    // Digits and punctuation.
    std::str::from_utf8(text.into_bump_slice()).unwrap_or_default()
}

fn write_endpoint(text: &mut Vec<'_, u8>, address: IpAddr, port: u16, has_port: bool) {
    Value::Ip(address).write_text(text);
    if has_port {
        text.append_byte(b':');
        Value::Uint(port.into()).write_text(text);
    }
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
pub(super) fn given<'a>(c: &Context<'a>) -> Value<'a> {
    let Some(connect) = c.event.connect() else {
        return Value::Absent;
    };
    let fixed = connect.fixed;
    match fixed.given_family {
        AF_UNIX => Value::Str(unix_name(c, connect.path)),
        AF_INET => {
            let [a, b, c4, d, ..] = fixed.given;
            let ip = Ipv4Addr::new(a, b, c4, d);
            Value::Str(format!(in c.arena, "{}:{}", ip, fixed.given_port).into_bump_str())
        }
        AF_INET6 => {
            let ip = Ipv6Addr::from(fixed.given);
            Value::Str(format!(in c.arena, "{}:{}", ip, fixed.given_port).into_bump_str())
        }
        _ => Value::Absent,
    }
}
