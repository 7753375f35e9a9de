//! Which sockets' connects can match a rule: what cannot is dropped in the kernel.

use rustc_hash::FxHashMap;

use super::{
    compile::{Checks, Fact, Facts, Graph, fold, network},
    set::{Program, program},
};
use crate::{event::Kind, fields::Value};

/// Sockets whose connects can match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Unix sockets.
    pub unix: bool,
    /// IPv4 and IPv6 sockets.
    pub inet: bool,
    /// IPv4 and IPv6 sockets that connect to a loopback address.
    pub loopback: bool,
    /// Sockets that are neither of IPv4, IPv6 nor unix, and what is no socket.
    pub other: bool,
}

/// Fields that only ends which are addresses have.
const OF_ADDRESSES: [&str; 24] = [
    "fd.ip",
    "fd.cip",
    "fd.sip",
    "fd.lip",
    "fd.rip",
    "fd.net",
    "fd.cnet",
    "fd.snet",
    "fd.lnet",
    "fd.rnet",
    "fd.port",
    "fd.cport",
    "fd.sport",
    "fd.lport",
    "fd.rport",
    "fd.cproto",
    "fd.sproto",
    "fd.lproto",
    "fd.rproto",
    "fd.cip.name",
    "fd.sip.name",
    "fd.lip.name",
    "fd.rip.name",
    "community_id",
];

/// Fields of the remote end's address.
const REMOTE: [&str; 4] = ["fd.sip", "fd.rip", "fd.snet", "fd.rnet"];

impl Sockets {
    /// Those of the programs' connects.
    pub(super) fn of(graph: &mut Graph, checks: &Checks, programs: &[Program; 6]) -> Self {
        let mut any = |facts: &Facts| {
            let mut known = FxHashMap::default();
            let rules = [false, true].map(|host| &programs[program(Kind::Connect, host)].rules);
            rules
                .into_iter()
                .flatten()
                .any(|(_, node)| fold(graph, checks, facts, *node, &mut known) != Graph::FALSE)
        };
        Self {
            unix: any(&unix()),
            inet: any(&inet()),
            loopback: ["127.0.0.0/8", "::1/128"]
                .iter()
                .any(|text| network(text).is_none_or(|(low, high)| any(&to(low, high)))),
            other: any(&other()),
        }
    }
}

fn without_addresses() -> Facts {
    let facts = Facts::default();
    OF_ADDRESSES.iter().fold(facts, |facts, field| {
        facts.with(field, Fact::Is(Value::Absent))
    })
}

fn unix() -> Facts {
    without_addresses()
        .with("fd.type", Fact::Is(Value::Str("unix")))
        .with("fd.typechar", Fact::Is(Value::Str("u")))
        .with("fd.sockfamily", Fact::Is(Value::Str("unix")))
}

fn other() -> Facts {
    without_addresses()
        .with("fd.typechar", Fact::OneOf(&["n", "p", "f", "o"]))
        .with("fd.sockfamily", Fact::Is(Value::Absent))
}

fn inet() -> Facts {
    Facts::default()
        .with("fd.typechar", Fact::OneOf(&["4", "6"]))
        .with("fd.sockfamily", Fact::Is(Value::Str("ip")))
}

/// To an address of that range.
fn to(low: i128, high: i128) -> Facts {
    let range = Fact::Range(low, high);
    REMOTE
        .iter()
        .fold(inet(), |facts, field| facts.with(field, range))
}
