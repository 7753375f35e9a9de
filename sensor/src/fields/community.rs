//! Community ID, version 1 (<https://github.com/corelight/community-id-spec>):
//! the same text for a flow whoever saw it, so that connects join with Zeek's.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bumpalo::{Bump, collections::String};
use sha1::{Digest as _, Sha1};

/// The seed that everybody uses who configures nothing.
const SEED: [u8; 2] = [0, 0];

/// Protocols whose flows have ports, and as which they go over the wire.
fn on_the_wire(protocol: u16) -> Option<u8> {
    match i32::from(protocol) {
        libc::IPPROTO_TCP | libc::IPPROTO_MPTCP => Some(6),
        libc::IPPROTO_UDP => Some(17),
        libc::IPPROTO_SCTP => Some(132),
        _ => None,
    }
}

/// The id of a flow; none if its ends are of different families, or its protocol
/// has no ports (of ICMP the id is made of each message's type and code).
pub(super) fn id<'a>(
    a: (IpAddr, u16),
    b: (IpAddr, u16),
    protocol: u16,
    arena: &'a Bump,
) -> Option<&'a str> {
    let protocol = on_the_wire(protocol)?;
    let mut hash = Sha1::new();
    hash.update(SEED);
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    match (first.0, second.0) {
        (IpAddr::V4(x), IpAddr::V4(y)) => {
            hash.update(x.octets());
            hash.update(y.octets());
        }
        (IpAddr::V6(x), IpAddr::V6(y)) => {
            hash.update(x.octets());
            hash.update(y.octets());
        }
        _ => return None,
    }
    hash.update([protocol, 0]);
    hash.update(first.1.to_be_bytes());
    hash.update(second.1.to_be_bytes());
    let digest: [u8; 20] = hash.finalize().into();
    let mut text = [0; 28];
    let len = STANDARD.encode_slice(digest, &mut text).ok()?;
    let mut out = String::with_capacity_in(2 + len, arena);
    out.push_str("1:");
    out.push_str(std::str::from_utf8(&text[..len]).ok()?);
    Some(out.into_bump_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, a_port: u16, b: &str, b_port: u16, protocol: u16, expected: &str) {
        let arena = Bump::new();
        let a = (a.parse().expect("ip"), a_port);
        let b = (b.parse().expect("ip"), b_port);
        assert_eq!(id(a, b, protocol, &arena), Some(expected));
        assert_eq!(id(b, a, protocol, &arena), Some(expected));
    }

    /// The specification's baseline vectors.
    #[test]
    fn published_vectors_are_met_in_both_directions() {
        check(
            "128.232.110.120",
            34855,
            "66.35.250.204",
            80,
            6,
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        );
        check(
            "192.168.1.52",
            54585,
            "8.8.8.8",
            53,
            17,
            "1:d/FP5EW3wiY1vCndhwleRRKHowQ=",
        );
        check(
            "2607:f8b0:400c:c03::1a",
            25,
            "2001:db8::1",
            1234,
            6,
            &reference(),
        );
    }

    /// Of the same tuple by the specification's own words, put together by hand.
    fn reference() -> std::string::String {
        let mut hash = Sha1::new();
        let low: std::net::Ipv6Addr = "2001:db8::1".parse().expect("ip");
        let high: std::net::Ipv6Addr = "2607:f8b0:400c:c03::1a".parse().expect("ip");
        hash.update([0, 0]);
        hash.update(low.octets());
        hash.update(high.octets());
        hash.update([6, 0]);
        hash.update(1234_u16.to_be_bytes());
        hash.update(25_u16.to_be_bytes());
        format!("1:{}", STANDARD.encode(hash.finalize()))
    }
}
