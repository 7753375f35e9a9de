//! Events that carry their fields by name: test cases, and events that somebody wrote down as JSON.
//! Rules of a source can be evaluated for such events too, by [`Written`].

mod fields;

use std::{fmt, marker::PhantomData, sync::OnceLock};

use bumpalo::{Bump, collections::Vec as BumpVec};
use rustc_hash::FxHashMap;

use self::fields::Owned;
pub use self::fields::{Fields, FieldsError};
use crate::{
    Argument, ArgumentKind, Facts, Field, Getter, Help, Obsolete, Source, TimeForm, Timed, Value,
};

/// A source whose events can be written down.
pub trait Writable: Source {
    /// Where the source keeps its table of fields for written events: a `static` of its own, which
    /// is empty at first.
    fn table() -> &'static OnceLock<Table<Self>>;

    /// How a field of type [`Type::Time`](crate::Type::Time) prints as text.
    #[must_use]
    fn time_form(_field: &str) -> TimeForm {
        TimeForm::Raw
    }

    /// The field with the time of an event, nanoseconds since the epoch.
    const TIME_FIELD: &'static str = "evt.time";

    /// Adds what follows from the fields of a written event. `is_line` says that a program wrote the
    /// event as a line, which has what an output names and perhaps not the type of the event.
    fn complete(_fields: &mut Fields, _is_line: bool) {}
}

/// The fields of a source for written events.
#[derive(Debug)]
pub struct Table<S: Writable> {
    fields: Vec<Field<Written<S>>>,
    positions: FxHashMap<&'static str, usize>,
    facts: Vec<Facts>,
}

/// The source of the written events of another source: the same name, fields and classes.
pub struct Written<S>(PhantomData<S>);

impl<S> Clone for Written<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Written<S> {}

impl<S> fmt::Debug for Written<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

/// A written event.
#[derive(Clone, Copy, Debug)]
pub struct WrittenEvent<'e> {
    fields: &'e Fields,
    arena: &'e Bump,
}

impl<'e> WrittenEvent<'e> {
    /// An event with these fields, and memory for the values that the engine makes of them.
    #[must_use]
    pub fn new(fields: &'e Fields, arena: &'e Bump) -> Self {
        Self { fields, arena }
    }
}

fn key(name: &str, argument: &Argument) -> Box<str> {
    match argument {
        Argument::None => name.into(),
        Argument::Index(index) => format!("{name}[{index}]").into(),
        Argument::Name(argument) => format!("{name}[{argument}]").into(),
    }
}

fn table<S: Writable>() -> &'static Table<S> {
    S::table().get_or_init(|| {
        let fields: Vec<_> = S::fields().map(written).collect();
        // Of two rows with one name the first is the field, so it comes last here.
        let positions = fields.iter().enumerate().rev();
        Table {
            positions: positions.map(|(at, field)| (field.name, at)).collect(),
            facts: (0..S::CLASSES).map(S::facts).collect(),
            fields,
        }
    })
}

/// The row of a field for written events. Its accessors are never called: a written event looks up
/// the name.
fn written<S: Writable>(of: &'static Field<S>) -> Field<Written<S>> {
    Field {
        name: of.name,
        ty: of.ty,
        argument: of.argument,
        preset: of.preset,
        last: of.last,
        classes: of.classes,
        needs: of.needs,
        doc: of.doc,
        get: |_, _| Value::Absent,
        parts: of.parts.map(|_| {
            let unused: Getter<Written<S>> = |_, _| Value::Absent;
            unused
        }),
        printed: None,
        condition_only: of.condition_only,
        each: of.each,
        deprecated: of.deprecated,
    }
}

impl<S: Writable> Source for Written<S> {
    const NAME: &'static str = S::NAME;
    const CLASSES: usize = S::CLASSES;
    const TYPE_FIELD: &'static str = S::TYPE_FIELD;
    const PLUGINS: &'static [(&'static str, &'static str)] = S::PLUGINS;
    const OBSOLETE: &'static [Obsolete] = S::OBSOLETE;
    const HELP: Help = S::HELP;

    type Event<'e> = WrittenEvent<'e>;
    type Needs = S::Needs;

    fn arena<'e>(event: &'e WrittenEvent<'e>) -> &'e Bump {
        event.arena
    }

    fn class(event: &WrittenEvent<'_>) -> usize {
        event.fields.class
    }

    fn facts(class: usize) -> Facts {
        S::facts(class)
    }

    fn fields() -> impl Iterator<Item = &'static Field<Self>> {
        table::<S>().fields.iter()
    }

    fn field(name: &str) -> Option<&'static Field<Self>> {
        let table = table::<S>();
        table.positions.get(name).map(|at| &table.fields[*at])
    }

    fn value<'e>(
        field: &'static Field<Self>,
        argument: &Argument,
        event: &'e WrittenEvent<'e>,
    ) -> Value<'e> {
        let fields = event.fields;
        if let Some(value) = fields.values.get(&key(field.name, argument)) {
            return value.get(event.arena);
        }
        match argument {
            Argument::None if field.argument == ArgumentKind::OptionalIndex => {
                fields.indexed(field.name, event.arena)
            }
            // A list has the value of index 1 first.
            Argument::Index(index) => match fields.values.get(field.name) {
                Some(Owned::List(values)) => {
                    let first = usize::from(field.argument == ArgumentKind::OptionalIndex);
                    let at = (*index as usize).checked_sub(first);
                    let value = at.and_then(|at| values.get(at));
                    value.map_or(Value::Absent, |value| value.get(event.arena))
                }
                _ => Value::Absent,
            },
            _ => Value::Absent,
        }
    }

    fn printed<'e>(
        field: &'static Field<Self>,
        argument: &Argument,
        event: &'e WrittenEvent<'e>,
    ) -> Value<'e> {
        match event.fields.printed.get(&key(field.name, argument)) {
            Some(printed) => printed.get(event.arena),
            None => Self::value(field, argument, event),
        }
    }

    fn parts<'e>(field: &'static Field<Self>, event: &'e WrittenEvent<'e>) -> Option<Value<'e>> {
        if let Some(parts) = event.fields.parts.get(field.name) {
            return Some(parts.get(event.arena));
        }
        let value = event.fields.values.get(field.name)?.get(event.arena);
        Some(match value {
            Value::Str(text) => {
                let words = text
                    .split(' ')
                    .filter(|word| !word.is_empty())
                    .map(Value::Str);
                Value::List(BumpVec::from_iter_in(words, event.arena).into_bump_slice())
            }
            value => value,
        })
    }

    fn event_types() -> impl Iterator<Item = &'static str> {
        S::event_types()
    }

    fn is_event_type(name: &str) -> bool {
        S::is_event_type(name)
    }
}

impl<S: Writable> Timed for Written<S> {
    fn time(event: &WrittenEvent<'_>) -> u64 {
        match event.fields.values.get(S::TIME_FIELD) {
            Some(Owned::Time(time, _) | Owned::Uint(time)) => *time,
            Some(Owned::Int(time)) => time.unsigned_abs(),
            _ => 0,
        }
    }
}
