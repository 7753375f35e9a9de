//! Events that are likely to fulfil a condition, or nearly.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
};

use super::{
    Found, Side,
    events::{Event, Given, type_of},
};
use crate::Type;

/// Most events that are kept for each macro that was true.
const KEPT: usize = 8;

type Fields = BTreeMap<String, Given>;

/// Makes events from the texts with which conditions compare fields.
pub(super) struct Generator {
    random: u64,
    /// By macro: the fields that its own checks compare, with the texts.
    pools: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// By macro: the macros that its condition names.
    parts: BTreeMap<String, Vec<String>>,
    /// By macro: fields with which it was true.
    true_with: BTreeMap<String, Vec<Fields>>,
}

impl Generator {
    pub(super) fn new(sides: &[&Side]) -> Self {
        let seed = std::env::var("SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let random = seed.unwrap_or_else(|| RandomState::new().hash_one(0)) | 1;
        eprintln!("SEED={random}");
        let mut this = Self {
            random,
            pools: BTreeMap::new(),
            parts: BTreeMap::new(),
            true_with: BTreeMap::new(),
        };
        for side in sides {
            for name in side.definitions.macros.names() {
                let pool = this.pools.entry(name.to_owned()).or_default();
                let parts = this.parts.entry(name.to_owned()).or_default();
                side.each(side.condition(name), &mut |found| match found {
                    Found::Macro(part) => parts.push(part.to_owned()),
                    Found::List(_) => {}
                    Found::Constant(field, text) => {
                        let texts = pool.entry(field.to_owned()).or_default();
                        texts.insert(text.to_owned());
                    }
                });
            }
        }
        for parts in this.parts.values_mut() {
            parts.sort();
            parts.dedup();
        }
        this
    }

    /// Events for a macro: more of them, the more other macros it names.
    pub(super) fn events(&mut self, name: &str) -> Vec<Event> {
        let parts = self.parts[name].clone();
        let pool = self.pools[name].clone();
        let count = 250 + 60 * parts.len();
        (0..count)
            .map(|_| self.event(name, &parts, &pool))
            .collect()
    }

    fn event(
        &mut self,
        name: &str,
        parts: &[String],
        pool: &BTreeMap<String, BTreeSet<String>>,
    ) -> Event {
        let mut fields = Fields::new();
        if self.below(2) == 0 {
            fields.extend(self.known(name));
        }
        if !parts.is_empty() {
            for _ in 0..self.below(5) {
                let part = &parts[self.below(parts.len())];
                let known = self.known(part);
                fields.extend(known);
            }
        }
        // Some fields of its own, or all of them; with values nearby, or exact ones.
        let all = self.below(2) == 0;
        let exact = self.below(4) == 0;
        for (field, texts) in pool {
            if all || self.below(4) == 0 {
                let before = fields.get(field);
                match self.value(field, texts, exact, before) {
                    Some(value) => _ = fields.insert(field.clone(), value),
                    None => _ = fields.remove(field),
                }
            }
        }
        if self.below(2) == 0 {
            fields.insert("probe.x".to_owned(), Given::Text("1".to_owned()));
        }
        Event::new(fields)
    }

    /// Fields with which a macro was true, if any are known.
    fn known(&mut self, name: &str) -> Fields {
        let known = self.true_with.get(name).map_or(0, Vec::len);
        if known == 0 {
            return Fields::new();
        }
        let choice = self.below(known);
        self.true_with[name][choice].clone()
    }

    /// A value of a field: one of the texts, or a text near one; sometimes none. A text can follow
    /// the one that was there before.
    fn value(
        &mut self,
        field: &str,
        texts: &BTreeSet<String>,
        exact: bool,
        before: Option<&Given>,
    ) -> Option<Given> {
        if !exact && self.below(8) == 0 {
            return None;
        }
        let text = texts.iter().nth(self.below(texts.len()))?.clone();
        let near = !exact && self.below(4) == 0;
        Some(match type_of(field) {
            Type::Bool => Given::Bool(self.below(2) == 0),
            Type::Ip | Type::Net => {
                let address = text.split('/').next().unwrap_or_default();
                let address = address.parse().ok().filter(|_| self.below(2) == 0);
                Given::Address(address.unwrap_or([8, 8, 8, 8].into()))
            }
            Type::Number | Type::Time => {
                let number: i64 = text.parse().unwrap_or_default();
                Given::Number(number + i64::from(near))
            }
            Type::String if self.below(20) == 0 => Given::Text(
                texts
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            Type::String if exact => Given::Text(text.replace('*', "z")),
            Type::String => Given::Text(match self.below(20) {
                7..10 if let Some(Given::Text(before)) = before => before.clone() + &text,
                0 => format!("{text}x"),
                1 => format!("x{text}"),
                2 => format!("{text}/x"),
                3 => text.to_uppercase(),
                4 => format!("x {text} y"),
                5 => text.replace('*', "x/y"),
                6 => text.chars().skip(1).collect(),
                _ => text.replace('*', "z"),
            }),
        })
    }

    /// Remembers an event that fulfils a macro.
    pub(super) fn learn(&mut self, event: &Event, name: &str) {
        let choice = self.below(KEPT);
        let known = self.true_with.entry(name.to_owned()).or_default();
        if known.len() < KEPT {
            known.push(event.fields.clone());
        } else {
            known[choice].clone_from(&event.fields);
        }
    }

    /// A number below `end` (xorshift).
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap_or_default() % end.max(1)
    }
}
