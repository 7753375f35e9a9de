//! The contract of a source: a kind of events, with its fields and its classes.

use std::fmt;

use bumpalo::Bump;

use crate::{Argument, Classes, Fact, Facts, Field, Value};

/// A kind of events that rules are written for; a rule names it by `source:`.
///
/// The type that implements this trait is only a name for the compiler (`enum Requests {}`): the
/// program never makes a value of it. The compiler resolves all calls but those of the fields'
/// accessors, which are function pointers.
pub trait Source: Copy + fmt::Debug + Send + Sync + 'static {
    /// Its name in rules. A rule without `source:` is for `syscall`, as in Falco.
    const NAME: &'static str;

    /// The number of classes of its events, at most [`Classes::MAX`].
    ///
    /// Events are of one class if the same facts hold for all of them before they happen: which
    /// fields they can have, and which values some fields have. The engine evaluates only the part
    /// of each condition that these facts leave open.
    const CLASSES: usize = 1;

    /// The name of the field that contains an event's type.
    const TYPE_FIELD: &'static str = "evt.type";

    /// Plugins that rules may require, with their versions.
    const PLUGINS: &'static [(&'static str, &'static str)] = &[];

    /// Texts of older rule outputs that the engine accepts and leaves out.
    const OBSOLETE: &'static [Obsolete] = &[];

    /// Commands that list fields and event types, which messages recommend.
    const HELP: Help = Help::NONE;

    /// One event with everything that the accessors of its fields may look at.
    type Event<'e>;

    /// What the source must gather so that a field has a value. The engine passes this on to its
    /// user and does not read it.
    type Needs: Copy + fmt::Debug + Send + Sync + 'static;

    /// Memory for values that an accessor makes for an event.
    fn arena<'e>(event: &'e Self::Event<'e>) -> &'e Bump;

    /// The class of an event, less than [`Self::CLASSES`].
    #[must_use]
    fn class(_event: &Self::Event<'_>) -> usize {
        0
    }

    /// The facts that hold for all events of a class.
    #[must_use]
    fn facts(_class: usize) -> Facts {
        Facts::default()
    }

    /// The value of a field of an event: by default what the field's accessor gets. A source whose
    /// events carry their fields by name looks up the name instead.
    #[must_use]
    #[inline]
    fn value<'e>(
        field: &'static Field<Self>,
        argument: &Argument,
        event: &'e Self::Event<'e>,
    ) -> Value<'e> {
        (field.get)(event, argument)
    }

    /// The value of a field in an output, where the source prints another value than rules compare.
    #[must_use]
    #[inline]
    fn printed<'e>(
        field: &'static Field<Self>,
        argument: &Argument,
        event: &'e Self::Event<'e>,
    ) -> Value<'e> {
        (field.printed.unwrap_or(field.get))(event, argument)
    }

    /// The parts of a field of an event as a list, for a field that has parts (`Field::parts`).
    #[must_use]
    #[inline]
    fn parts<'e>(field: &'static Field<Self>, event: &'e Self::Event<'e>) -> Option<Value<'e>> {
        field.parts.map(|parts| parts(event, &Argument::None))
    }

    /// The fields. A field that no class has never has a value: a rule that uses such a field is
    /// valid, and cannot match here.
    fn fields() -> impl Iterator<Item = &'static Field<Self>>;

    /// The field of that name.
    #[must_use]
    fn field(name: &str) -> Option<&'static Field<Self>> {
        Self::fields().find(|field| field.name == name)
    }

    /// The types that events can have, here or elsewhere; another type in a rule is a misspelling.
    /// By default the types in the facts of all classes.
    #[must_use]
    fn event_types() -> impl Iterator<Item = &'static str> {
        types::<Self>(Classes::ALL).into_iter()
    }

    /// Whether events can have that type, here or elsewhere.
    #[must_use]
    fn is_event_type(name: &str) -> bool {
        Self::event_types().any(|known| known == name)
    }
}

/// A source whose events have a time: each line begins or ends with the time.
pub trait Timed: Source {
    /// When the event happened, nanoseconds since the epoch.
    #[must_use]
    fn time(event: &Self::Event<'_>) -> u64;
}

/// The types of events of some classes, as far as the facts name types.
pub(crate) fn types<S: Source>(classes: Classes) -> Vec<&'static str> {
    let mut types = Vec::new();
    for class in (0..S::CLASSES).filter(|class| classes.contains(*class)) {
        let facts = S::facts(class);
        let known: &[&str] = match facts.get(S::TYPE_FIELD) {
            Some(Fact::Is(Value::Str(name))) => &[name],
            Some(Fact::OneOf(names)) => names,
            _ => &[],
        };
        for name in known {
            if !types.contains(name) {
                types.push(name);
            }
        }
    }
    types
}

/// A text that older rules have in their outputs: the engine accepts the text and prints nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obsolete {
    /// The text.
    pub text: &'static str,
    /// The hint: what to do about it.
    pub hint: &'static str,
}

/// Commands that list fields and event types, which messages recommend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Help {
    /// The command that lists the fields.
    pub fields: Option<&'static str>,
    /// The command that lists the types of events.
    pub event_types: Option<&'static str>,
    /// The command that lists the sources.
    pub sources: Option<&'static str>,
    /// The command that lists the rules that never match.
    pub rules: Option<&'static str>,
}

impl Help {
    /// Messages recommend no command.
    pub const NONE: Self = Self {
        fields: None,
        event_types: None,
        sources: None,
        rules: None,
    };
}
