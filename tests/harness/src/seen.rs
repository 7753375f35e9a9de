//! Everything that a sensor wrote.

use crate::{counters::Counters, event::Event};

/// Everything that a stopped sensor wrote.
#[derive(Debug)]
pub struct Seen {
    /// Alerts about processes, in the order of the file.
    pub events: Vec<Event>,
    /// Internal records in the file.
    pub internal: Vec<Event>,
    /// The text on standard error.
    pub stderr: String,
}

impl Seen {
    /// The only event of a program of that name.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn exec(&self, name: &str) -> &Event {
        self.only(&format!("of {name}"), |event| {
            event.field("proc.name") == name
        })
    }

    /// The only failed exec.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn failure(&self) -> &Event {
        self.only("of a failed call", |event| event.is("evt.failed"))
    }

    /// The only event for which a condition holds.
    ///
    /// # Panics
    /// If there is none, or more than one.
    pub fn only(&self, what: &str, holds: impl Fn(&Event) -> bool) -> &Event {
        let found: Vec<_> = self.events.iter().filter(|event| holds(event)).collect();
        match found.as_slice() {
            [event] => event,
            _ => panic!(
                "{} events {what} instead of one; all events: {:#?}\nstandard error:\n{}",
                found.len(),
                self.events,
                self.stderr
            ),
        }
    }

    /// The counters of the stopped sensor.
    #[must_use]
    pub fn counters(&self) -> Counters<'_> {
        Counters::new(&self.stderr)
    }
}
