//! What is known of events before one of them is there.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::{Value, compile::number};

/// What is known of a field.
#[derive(Clone, Copy, Debug)]
pub enum Fact {
    /// It has this value.
    Is(Value<'static>),
    /// It has a text, and it is another one than these.
    NoneOf(&'static [&'static str]),
    /// It is one of these texts.
    OneOf(&'static [&'static str]),
    /// It is a number from one to another, both included.
    Range(i128, i128),
}

impl Fact {
    /// It is an address from one to another, both included.
    #[must_use]
    pub fn addresses(first: IpAddr, last: IpAddr) -> Self {
        Self::Range(number::ip(first), number::ip(last))
    }
}

/// What is known of some events: facts about their fields.
#[derive(Clone, Debug, Default)]
pub struct Facts(FxHashMap<&'static str, Fact>);

impl Facts {
    /// These and one more, about the field of that name (with its argument, as rules write it).
    #[must_use]
    pub fn with(mut self, field: &'static str, fact: Fact) -> Self {
        self.0.insert(field, fact);
        self
    }

    /// What is known of a field.
    pub(crate) fn get(&self, field: &str) -> Option<Fact> {
        self.0.get(field).copied()
    }
}
