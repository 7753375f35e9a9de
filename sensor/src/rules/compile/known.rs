//! What is known of all events of a kind, and what is left of a condition then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustc_hash::FxHashMap;

use super::{CheckId, Checks, Expr, Graph, NodeId, Test, number, test::Several};
use crate::{
    event::Kind,
    fields::{Operand, Value},
};

/// What is known of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fact {
    /// It has this value.
    Is(Value<'static>),
    /// It has a text, and it is another one than these.
    NoneOf(&'static [&'static str]),
    /// It is one of these texts.
    OneOf(&'static [&'static str]),
    /// It is a number from one to another.
    Range(i128, i128),
}

/// What is known of some events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Their kind.
    pub kind: Option<Kind>,
    fields: FxHashMap<&'static str, Fact>,
}

/// Kinds of peers that the kernel side can leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A unix socket.
    Unix,
    /// Neither unix, IPv4 nor IPv6.
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

/// Event types that this sensor sees.
pub(crate) const EVENT_TYPES: [&str; 3] = ["execve", "execveat", "connect"];

/// What the fields of a process in no container are.
pub(crate) const HOST: [(&str, Value<'static>); 11] = [
    ("container.id", Value::Str("host")),
    ("container.full_id", Value::Str("host")),
    ("container.name", Value::Str("host")),
    ("container.type", Value::Str("host")),
    ("container.privileged", Value::Bool(false)),
    ("container.image", Value::Str("")),
    ("container.image.repository", Value::Str("")),
    ("container.image.tag", Value::Str("")),
    ("k8s.pod.name", Value::Absent),
    ("k8s.pod.uid", Value::Absent),
    ("k8s.ns.name", Value::Absent),
];

impl Facts {
    /// Adds a fact.
    #[must_use]
    pub(crate) fn with(mut self, field: &'static str, fact: Fact) -> Self {
        self.fields.insert(field, fact);
        self
    }

    /// What is known of events of a kind, of the host or of containers.
    #[must_use]
    pub(crate) fn of(kind: Kind, host: bool) -> Self {
        let this = Self {
            kind: Some(kind),
            ..Self::default()
        };
        let mut this = this.with("evt.dir", Fact::Is(Value::Str("<")));
        this = match kind {
            Kind::Exec => this
                .with("evt.type", Fact::Is(Value::Str("execve")))
                .with("evt.failed", Fact::Is(Value::Bool(false)))
                .with("evt.res", Fact::Is(Value::Str("SUCCESS")))
                .with("evt.rawres", Fact::Is(Value::Int(0))),
            Kind::ExecFailed => this
                .with("evt.type", Fact::OneOf(&["execve", "execveat"]))
                .with("evt.failed", Fact::Is(Value::Bool(true)))
                .with("evt.rawres", Fact::Range(-4095, -1)),
            Kind::Connect => this.with("evt.type", Fact::Is(Value::Str("connect"))),
        };
        if !host {
            return this.with("container.id", Fact::NoneOf(&["host"]));
        }
        for (field, value) in HOST {
            this = this.with(field, Fact::Is(value));
        }
        this
    }

    /// What is known of connects to sockets of some kind.
    #[must_use]
    pub(crate) fn of_peer(self, peer: Peer) -> Self {
        let ends = [
            "fd.sip", "fd.snet", "fd.rip", "fd.rnet", "fd.sport", "fd.rport",
        ];
        let without_ends = |mut this: Self| {
            for field in ends {
                this = this.with(field, Fact::Is(Value::Absent));
            }
            this
        };
        let loopback = |this: Self, typechar, first: IpAddr, last: IpAddr| {
            let range = Fact::Range(number::ip(first), number::ip(last));
            this.with("fd.typechar", Fact::Is(Value::Str(typechar)))
                .with("fd.sip", range)
                .with("fd.snet", range)
        };
        match peer {
            Peer::Unix => without_ends(self)
                .with("fd.typechar", Fact::Is(Value::Str("u")))
                .with("fd.type", Fact::Is(Value::Str("unix"))),
            Peer::Other => without_ends(self).with("fd.typechar", Fact::NoneOf(&["4", "6", "u"])),
            Peer::Loopback4 => {
                let last = Ipv4Addr::new(127, 255, 255, 255);
                loopback(self, "4", Ipv4Addr::new(127, 0, 0, 0).into(), last.into())
            }
            Peer::Inet4 => self.with("fd.typechar", Fact::Is(Value::Str("4"))),
            Peer::Inet6 => self.with("fd.typechar", Fact::Is(Value::Str("6"))),
            Peer::Loopback6 => {
                let only = Ipv6Addr::LOCALHOST.into();
                loopback(self, "6", only, only)
            }
        }
    }

    /// What is known of an event of a type that no condition names.
    #[must_use]
    pub(crate) fn of_other_type() -> Self {
        Self::default().with("evt.type", Fact::Is(Value::Str("\0")))
    }

    /// Whether a check is known to be true, or to be false.
    #[must_use]
    pub(crate) fn decide(&self, checks: &Checks, id: CheckId) -> Option<bool> {
        let check = checks.get(id);
        if matches!(check.test, Test::Never) {
            return Some(false);
        }
        let info = checks.operand_of(id);
        if let Some(kind) = self.kind {
            let mut absent = info.foreign.is_some();
            info.operand
                .fields(&mut |field| absent |= !field.field.kinds.contains(kind));
            if let Test::Operand(_, right) = &check.test {
                let right = &checks.operands[*right as usize];
                absent |= right.foreign.is_some();
                right
                    .operand
                    .fields(&mut |field| absent |= !field.field.kinds.contains(kind));
            }
            // `evt.dir` is `<`, whether the registry has it or not.
            if absent && &*info.operand.to_string() != "evt.dir" {
                return Some(false);
            }
        }
        let Operand::Field(field) = &info.operand else {
            return None;
        };
        if matches!(check.test, Test::Operand(..)) {
            return None;
        }
        let passes = |value: Value<'static>| {
            let symbol = match value {
                Value::Str(text) => info.symbols.get(text).copied(),
                _ => None,
            };
            check.test.passes(&value, symbol, &info.patterns)
        };
        match *self.fields.get(&*field.key)? {
            Fact::Is(value) => Some(passes(value)),
            Fact::OneOf(texts) => {
                let first = passes(Value::Str(texts.first()?));
                texts
                    .iter()
                    .all(|text| passes(Value::Str(text)) == first)
                    .then_some(first)
            }
            Fact::NoneOf(texts) => {
                let is_one = |number: u32| {
                    texts
                        .iter()
                        .any(|text| info.symbols.get(*text) == Some(&number))
                };
                match &check.test {
                    Test::Exists => Some(true),
                    Test::NotSymbol(number, _) if is_one(*number) => Some(true),
                    Test::Symbols(symbols, Several::Any)
                        if symbols.as_slice().iter().all(|number| is_one(*number)) =>
                    {
                        Some(false)
                    }
                    _ => None,
                }
            }
            Fact::Range(low, high) => match &check.test {
                Test::Numbers(numbers, _) => numbers.decides(low, high),
                Test::Exists => Some(true),
                _ => None,
            },
        }
    }
}

/// What is left of a node if the facts hold.
pub(crate) fn fold(
    graph: &mut Graph,
    checks: &Checks,
    facts: &Facts,
    node: NodeId,
    known: &mut FxHashMap<NodeId, NodeId>,
) -> NodeId {
    if let Some(&folded) = known.get(&node) {
        return folded;
    }
    let folded = match graph.get(node).clone() {
        Expr::False => Graph::FALSE,
        Expr::True => Graph::TRUE,
        Expr::Check(check) => match facts.decide(checks, check) {
            Some(value) => Graph::constant(value),
            None => node,
        },
        Expr::Not(inner) => {
            let inner = fold(graph, checks, facts, inner, known);
            graph.negate(inner)
        }
        Expr::And(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| fold(graph, checks, facts, *part, known))
                .collect();
            graph.and(parts)
        }
        Expr::Or(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| fold(graph, checks, facts, *part, known))
                .collect();
            graph.or(parts)
        }
    };
    known.insert(node, folded);
    folded
}
