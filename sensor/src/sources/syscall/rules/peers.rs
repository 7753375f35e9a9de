//! The kinds of peers whose connects the kernel side can leave out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_rules::{Fact, Facts};

use crate::sources::syscall::{
    event::Kind,
    fields::{Syscall, Value, class},
};

/// A kind of peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// A unix socket.
    Unix,
    /// A socket that is neither unix, IPv4 nor IPv6.
    Other,
    /// `127.0.0.0/8`.
    Loopback4,
    /// `::1`.
    Loopback6,
    /// Any IPv4 address.
    Inet4,
    /// Any IPv6 address.
    Inet6,
}

/// Fields that only connects to addresses have.
const ENDPOINTS: [&str; 10] = [
    "fd.sip",
    "fd.snet",
    "fd.rip",
    "fd.rnet",
    "fd.sport",
    "fd.rport",
    "fd.cip.name",
    "fd.sip.name",
    "fd.lip.name",
    "fd.rip.name",
];

impl Peer {
    /// Whether a connect to such a peer can match a rule.
    pub(super) fn is_wanted(self, rules: &falco_rules::RuleSet<Syscall>) -> bool {
        let facts = self.facts();
        [false, true]
            .into_iter()
            .any(|host| rules.can_match_if(class(Kind::Connect, host), &facts))
    }

    /// The facts that hold for connects to such peers.
    fn facts(self) -> Facts {
        let facts = Facts::default();
        let typechar = |facts: Facts, is| facts.with("fd.typechar", Fact::Is(Value::Str(is)));
        let without_ends = |facts: Facts| {
            ENDPOINTS.into_iter().fold(facts, |facts, field| {
                facts.with(field, Fact::Is(Value::Absent))
            })
        };
        let loopback = |facts: Facts, first: IpAddr, last: IpAddr| {
            let range = Fact::addresses(first, last);
            facts.with("fd.sip", range).with("fd.snet", range)
        };
        match self {
            Self::Unix => {
                typechar(without_ends(facts), "u").with("fd.type", Fact::Is(Value::Str("unix")))
            }
            Self::Other => without_ends(facts).with("fd.typechar", Fact::NoneOf(&["4", "6", "u"])),
            Self::Loopback4 => {
                let (first, last) = (
                    Ipv4Addr::new(127, 0, 0, 0),
                    Ipv4Addr::new(127, 255, 255, 255),
                );
                loopback(typechar(facts, "4"), first.into(), last.into())
            }
            Self::Loopback6 => {
                let only = Ipv6Addr::LOCALHOST.into();
                loopback(typechar(facts, "6"), only, only)
            }
            Self::Inet4 => typechar(facts, "4"),
            Self::Inet6 => typechar(facts, "6"),
        }
    }
}
