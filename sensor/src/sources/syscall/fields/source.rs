//! Falco's source `syscall`, as far as this sensor sees it.

use bumpalo::Bump;
use falco_rules::{Facts, Help, Obsolete, Source, Timed};

use super::{Context, Field, Needs, class, foreign, registry};

/// Falco's source `syscall`, as far as this sensor sees it.
#[derive(Clone, Copy, Debug)]
pub enum Syscall {}

impl Source for Syscall {
    const NAME: &'static str = "syscall";
    const CLASSES: usize = class::CLASSES;
    const PLUGINS: &'static [(&'static str, &'static str)] =
        &[("container", "0.7.1"), ("k8smeta", "0.4.1")];
    // Falco adds the container's fields by itself (`suggested_output`).
    const OBSOLETE: &'static [Obsolete] = &[Obsolete {
        text: "%container.info",
        hint: "remove it: the container's fields are added by append_output",
    }];
    const HELP: Help = Help {
        fields: Some("'sensor --list' prints the fields that there are"),
        event_types: Some("'sensor --list-events' prints the event types that there are"),
        sources: Some("this sensor has the source 'syscall'"),
        rules: Some("see 'sensor -L'"),
    };

    type Event<'e> = Context<'e>;
    type Needs = Needs;

    #[inline]
    fn arena<'e>(context: &'e Context<'e>) -> &'e Bump {
        context.arena
    }

    #[inline]
    fn class(context: &Context<'_>) -> usize {
        class::class(context.event.kind, context.container_id().is_none())
    }

    fn facts(class: usize) -> Facts {
        class::facts(class)
    }

    fn fields() -> impl Iterator<Item = &'static Field> {
        registry::all().chain(foreign::all())
    }

    fn field(name: &str) -> Option<&'static Field> {
        registry::find(name).or_else(|| foreign::find(name))
    }

    fn event_types() -> impl Iterator<Item = &'static str> {
        foreign::event_types()
    }

    fn is_event_type(name: &str) -> bool {
        foreign::is_event_type(name)
    }
}

impl Timed for Syscall {
    #[inline]
    fn time(context: &Context<'_>) -> u64 {
        context.time
    }
}
