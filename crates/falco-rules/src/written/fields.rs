//! The fields of a written event, as JSON gives them.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use bumpalo::{Bump, collections::Vec as BumpVec};
use yaml::nearest;

use super::{Writable, Written, key, table};
use crate::{
    Argument, ArgumentKind, Fact, Facts, Field, FieldRef, Source, TimeForm, Type, Value, sanitize,
};

/// The fields of a written event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    pub(super) values: BTreeMap<Box<str>, Owned>,
    /// What outputs print, where conditions compare other values.
    pub(super) printed: BTreeMap<Box<str>, Owned>,
    /// The parts of values that have parts, where they are known.
    pub(super) parts: BTreeMap<Box<str>, Owned>,
    pub(super) class: usize,
}

/// Why fields are no event of a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// No field has that name, or its argument is wrong.
    #[error("{0}")]
    Field(String),
    /// A value is not of the field's type.
    #[error("'{field}' is {wanted}, and {found} is none")]
    Value {
        /// The field.
        field: Box<str>,
        /// What values of the field are.
        wanted: &'static str,
        /// The value.
        found: String,
    },
    /// The event has no type.
    #[error("the event has no '{0}'")]
    NoType(&'static str),
    /// No event of the source has such a type, or such other values together.
    #[error("no event here has {0}")]
    NoClass(String),
}

/// A value that lives on its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Owned {
    Absent,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Box<str>),
    Ip(IpAddr),
    Time(u64, TimeForm),
    List(Vec<Owned>),
}

impl Fields {
    /// The fields of an event of a source, from a JSON object. With `known_only`, names that the
    /// source does not know and values of another type are left out, as in lines of other programs.
    ///
    /// # Errors
    /// If a field is unknown, a value is of another type, the event has no type, or no event of the
    /// source is so.
    pub fn new<S: Writable>(
        object: &serde_json::Map<String, serde_json::Value>,
        known_only: bool,
    ) -> Result<Self, FieldsError> {
        let mut this = Self::default();
        this.set::<S>(object, known_only)?;
        S::complete(&mut this, known_only);
        this.class = this.find_class::<S>()?;
        for (name, fact) in table::<S>().facts[this.class].iter() {
            if let Fact::Is(value) = fact
                && !this.values.contains_key(name)
            {
                this.values.insert(name.into(), Owned::copy(value));
            }
        }
        Ok(this)
    }

    /// The fields of an event: all that need no argument, and those that are named with one.
    #[must_use]
    pub fn of_event<'e, S: Writable>(event: &'e S::Event<'e>, named: &[FieldRef<S>]) -> Self {
        let mut this = Self {
            class: S::class(event),
            ..Self::default()
        };
        let alone = S::fields().filter(|field| field.argument != ArgumentKind::Name);
        for field in alone {
            this.take::<S>(field, &Argument::None, event);
        }
        for field in named {
            this.take::<S>(field.field, &field.argument, event);
        }
        this
    }

    fn take<'e, S: Writable>(
        &mut self,
        field: &'static Field<S>,
        argument: &Argument,
        event: &'e S::Event<'e>,
    ) {
        let key = key(field.name, argument);
        // Of two rows with one name the first is the field.
        if self.values.contains_key(&key) {
            return;
        }
        let value = Owned::copy(S::value(field, argument, event));
        let printed = Owned::copy(S::printed(field, argument, event));
        if printed != value {
            self.printed.insert(key.clone(), printed);
        }
        if let Some(parts) = S::parts(field, event).filter(|_| *argument == Argument::None) {
            self.parts.insert(key.clone(), Owned::copy(parts));
        }
        self.values.insert(key, value);
    }

    /// Changes fields of an event to those of a JSON object. Fields that follow from them stay.
    ///
    /// # Errors
    /// If a field is unknown, a value is of another type, or no event of the source is so.
    pub fn change<S: Writable>(
        &mut self,
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), FieldsError> {
        self.set::<S>(object, false)?;
        if !object.is_empty() {
            self.class = self.find_class::<S>()?;
        }
        Ok(())
    }

    /// Sets fields from a JSON object.
    fn set<S: Writable>(
        &mut self,
        object: &serde_json::Map<String, serde_json::Value>,
        known_only: bool,
    ) -> Result<(), FieldsError> {
        for (key, value) in object {
            match FieldRef::<Written<S>>::parse(key) {
                Ok(field) => match Owned::of::<S>(&field, value) {
                    Ok(value) => {
                        let key = canonical(&field);
                        self.printed.remove(&key);
                        self.parts.remove(&key);
                        self.values.insert(key, value);
                    }
                    Err(error) if !known_only => return Err(error),
                    Err(_) => {}
                },
                Err(_) if known_only => {}
                Err(error) => {
                    let names = S::fields().map(|field| field.name);
                    let known = nearest(key, names);
                    let hint = known.map(|known| format!(": did you mean '{known}'?"));
                    let text = format!("{error}{}", hint.unwrap_or_default());
                    return Err(FieldsError::Field(text));
                }
            }
        }
        Ok(())
    }

    /// The class of events to which the fields belong.
    fn find_class<S: Writable>(&self) -> Result<usize, FieldsError> {
        let ty = self.values.get(S::TYPE_FIELD);
        let Some(ty) = ty.map(Owned::to_string) else {
            return Err(FieldsError::NoType(S::TYPE_FIELD));
        };
        let facts = &table::<S>().facts;
        let agrees = |facts: &Facts| facts.iter().all(|(name, fact)| self.agrees(name, fact));
        facts.iter().position(agrees).ok_or_else(|| {
            FieldsError::NoClass(
                if facts.iter().any(|facts| self.agrees_in_type::<S>(facts)) {
                    format!("the type '{ty}' together with the other values")
                } else {
                    format!("the type '{ty}'")
                },
            )
        })
    }

    /// Gives a field a value, unless the event says one.
    pub fn add(&mut self, name: &str, value: Value<'_>) {
        if !self.has(name) {
            self.values.insert(name.into(), Owned::copy(value));
        }
    }

    /// Gives a field the values of other fields, as far as the event has these; unless the event
    /// says a value.
    pub fn add_from(&mut self, name: &str, others: &[&str]) {
        let values = others.iter().filter_map(|other| self.values.get(*other));
        let mut values: Vec<_> = values.cloned().collect();
        if !self.has(name)
            && let Some(last) = values.pop()
        {
            let value = if values.is_empty() {
                last
            } else {
                values.push(last);
                Owned::List(values)
            };
            self.values.insert(name.into(), value);
        }
    }

    /// The value of a field that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name)? {
            Owned::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the event says anything about a field.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether the event says anything about a field, or about one of its numbered values.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        let numbered = || {
            self.names().any(|own| {
                own.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('['))
            })
        };
        self.has(name) || numbered()
    }

    /// The names of all fields that the event has, with their arguments.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(|name| &**name)
    }

    fn agrees(&self, name: &str, fact: Fact) -> bool {
        let arena = Bump::new();
        let value = self.values.get(name);
        value.is_none_or(|value| fact.holds(&value.get(&arena)))
    }

    fn agrees_in_type<S: Source>(&self, facts: &Facts) -> bool {
        let fact = facts.get(S::TYPE_FIELD);
        fact.is_none_or(|fact| self.agrees(S::TYPE_FIELD, fact))
    }

    /// The values of a field without argument that can have numbers in brackets: those with a
    /// number, from 1 on.
    pub(super) fn indexed<'e>(&'e self, name: &str, arena: &'e Bump) -> Value<'e> {
        let mut values = BumpVec::new_in(arena);
        for index in 1.. {
            match self.values.get(&*format!("{name}[{index}]")) {
                Some(value) => values.push(value.get(arena)),
                None => break,
            }
        }
        if values.is_empty() {
            Value::Absent
        } else {
            Value::List(values.into_bump_slice())
        }
    }
}

/// The key of a field with its argument, however it was written.
fn canonical<S: Source>(field: &FieldRef<S>) -> Box<str> {
    key(field.field.name, &field.argument)
}

impl Owned {
    /// The value of a field, from JSON.
    fn of<S: Writable>(
        field: &FieldRef<Written<S>>,
        value: &serde_json::Value,
    ) -> Result<Self, FieldsError> {
        use serde_json::Value as Json;
        if let Json::Array(values) = value {
            let values: Result<_, _> = values.iter().map(|one| Self::of(field, one)).collect();
            return Ok(Self::List(values?));
        }
        let text = match value {
            Json::Null => return Ok(Self::Absent),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let number = || {
            let signed = text.parse().map(Self::Int);
            signed.or_else(|_| text.parse().map(Self::Uint)).ok()
        };
        let of_type = match field.field.ty {
            Type::String => {
                let arena = Bump::new();
                Some(Self::Text(sanitize(text.as_bytes(), &arena).into()))
            }
            Type::Bool => text.parse().map(Self::Bool).ok(),
            Type::Number => number(),
            Type::Ip | Type::Net => text.parse().map(Self::Ip).ok(),
            Type::Time => {
                let form = S::time_form(field.field.name);
                text.parse().map(|time| Self::Time(time, form)).ok()
            }
        };
        of_type.ok_or_else(|| FieldsError::Value {
            field: field.key.clone(),
            wanted: match field.field.ty {
                Type::String => "a text",
                Type::Bool => "true or false",
                Type::Number => "a number",
                Type::Ip | Type::Net => "an address",
                Type::Time => "a time in nanoseconds",
            },
            found: value.to_string(),
        })
    }

    fn copy(value: Value<'_>) -> Self {
        match value {
            Value::Absent => Self::Absent,
            Value::Bool(value) => Self::Bool(value),
            Value::Int(number) => Self::Int(number),
            Value::Uint(number) => Self::Uint(number),
            Value::Str(text) => Self::Text(text.into()),
            Value::Ip(address) => Self::Ip(address),
            Value::Time(time, form) => Self::Time(time, form),
            Value::List(values) => Self::List(values.iter().map(|one| Self::copy(*one)).collect()),
        }
    }

    pub(super) fn get<'e>(&'e self, arena: &'e Bump) -> Value<'e> {
        match self {
            Self::Absent => Value::Absent,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(number) => Value::Int(*number),
            Self::Uint(number) => Value::Uint(*number),
            Self::Text(text) => Value::Str(text),
            Self::Ip(address) => Value::Ip(*address),
            Self::Time(time, form) => Value::Time(*time, *form),
            Self::List(values) => {
                let values = values.iter().map(|one| one.get(arena));
                Value::List(BumpVec::from_iter_in(values, arena).into_bump_slice())
            }
        }
    }
}

impl fmt::Display for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            other => write!(f, "{other:?}"),
        }
    }
}
