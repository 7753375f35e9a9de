//! Community ID, version 1 (<https://github.com/corelight/community-id-spec>): the same text for a
//! flow in every tool, so that connects can be joined with Zeek's logs.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bumpalo::{Bump, collections::String};
use sha1::{Digest as _, Sha1};

/// The default seed of the specification.
const SEED: [u8; 2] = [0, 0];

/// The number on the wire of a protocol whose flows have ports.
fn on_the_wire(protocol: u16) -> Option<u8> {
    match i32::from(protocol) {
        libc::IPPROTO_TCP | libc::IPPROTO_MPTCP => Some(6),
        libc::IPPROTO_UDP => Some(17),
        libc::IPPROTO_SCTP => Some(132),
        _ => None,
    }
}

/// The id of a flow; none if its endpoints are of different families, or if its protocol has no
/// ports (for ICMP the id depends on the type and code of each message).
pub(super) fn id(a: (IpAddr, u16), b: (IpAddr, u16), protocol: u16, arena: &Bump) -> Option<&str> {
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

    /// The id of a flow, after a check that both directions have the same id.
    fn both_ways(a: (&str, u16), b: (&str, u16), protocol: u16) -> Option<std::string::String> {
        let arena = Bump::new();
        let a = (a.0.parse().expect("ip"), a.1);
        let b = (b.0.parse().expect("ip"), b.1);
        let there = id(a, b, protocol, &arena);
        assert_eq!(there, id(b, a, protocol, &arena));
        there.map(ToOwned::to_owned)
    }

    #[test]
    fn the_ids_are_those_of_the_specifications_baseline() {
        let tcp = both_ways(("128.232.110.120", 34855), ("66.35.250.204", 80), 6);
        assert_eq!(tcp.as_deref(), Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
        let udp = both_ways(("192.168.1.52", 54585), ("8.8.8.8", 53), 17);
        assert_eq!(udp.as_deref(), Some("1:d/FP5EW3wiY1vCndhwleRRKHowQ="));
    }

    #[test]
    fn the_ids_are_those_of_the_reference_implementation() {
        let mut checked = 0;
        for line in include_str!("community.txt").lines() {
            let words: Vec<_> = line.split(' ').collect();
            if line.starts_with('#') {
                continue;
            }
            let [protocol, a, a_port, b, b_port, expected] = words[..] else {
                panic!("{line}");
            };
            let number = |text: &str| text.parse().expect("a number");
            let found = both_ways((a, number(a_port)), (b, number(b_port)), number(protocol));
            assert_eq!(found.as_deref(), Some(expected), "{line}");
            checked += 1;
        }
        assert_eq!(checked, 20);
    }

    #[test]
    fn multipath_tcp_is_tcp_on_the_wire() {
        let endpoints = (("192.0.2.1", 1000), ("192.0.2.2", 80));
        assert_eq!(
            both_ways(endpoints.0, endpoints.1, 262),
            both_ways(endpoints.0, endpoints.1, 6)
        );
    }

    #[test]
    fn protocols_without_ports_and_mixed_families_have_no_id() {
        assert_eq!(both_ways(("192.0.2.1", 1), ("192.0.2.2", 0), 1), None);
        assert_eq!(both_ways(("192.0.2.1", 1), ("::1", 2), 6), None);
    }
}
