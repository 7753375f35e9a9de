//! Facts about events that are known before an event happens.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::{
    Value,
    compile::{number, number_of},
};

/// A fact about a field.
#[derive(Clone, Copy, Debug)]
pub enum Fact {
    /// It has this value.
    Is(Value<'static>),
    /// Its value is a text other than these.
    NoneOf(&'static [&'static str]),
    /// Its value is one of these texts.
    OneOf(&'static [&'static str]),
    /// Its value is a number in this inclusive range.
    Range(i128, i128),
}

impl Fact {
    /// Its value is an address in this inclusive range.
    #[must_use]
    pub fn addresses(first: IpAddr, last: IpAddr) -> Self {
        Self::Range(number::ip(first), number::ip(last))
    }

    /// Whether the fact is true of a value.
    #[must_use]
    pub fn holds(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Is(Value::Absent), value) => value.is_absent(),
            (Self::Is(Value::Str(is)), Value::Str(text)) => is == text,
            (Self::Is(Value::Bool(is)), Value::Bool(value)) => is == value,
            (Self::Is(is), value) => {
                let number = number_of(is);
                number.is_some() && number == number_of(value)
            }
            (Self::NoneOf(texts), Value::Str(text)) => !texts.contains(text),
            (Self::OneOf(texts), Value::Str(text)) => texts.contains(text),
            (Self::Range(first, last), value) => {
                number_of(value).is_some_and(|number| (*first..=*last).contains(&number))
            }
            _ => false,
        }
    }
}

/// Facts about the fields of some events.
#[derive(Clone, Debug, Default)]
pub struct Facts(FxHashMap<&'static str, Fact>);

impl Facts {
    /// Adds a fact about the field of that name (with its argument, as rules write it).
    #[must_use]
    pub fn with(mut self, field: &'static str, fact: Fact) -> Self {
        self.0.insert(field, fact);
        self
    }

    /// All facts, in no order, each with its field.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Fact)> {
        self.0.iter().map(|(field, fact)| (*field, *fact))
    }

    /// The fact about a field.
    pub(crate) fn get(&self, field: &str) -> Option<Fact> {
        self.0.get(field).copied()
    }
}
