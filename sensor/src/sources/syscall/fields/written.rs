//! Events of this source that carry their fields by name: test cases, and lines that a sensor or
//! Falco wrote.

use std::sync::OnceLock;

use falco_rules::{Fields, Table, TimeForm, Writable};

use super::{Syscall, Value};

/// Beginnings of the names of fields that only events of containers have.
const OF_CONTAINERS: [&str; 3] = ["container.", "k8s.", "k8smeta."];

impl Writable for Syscall {
    fn table() -> &'static OnceLock<Table<Self>> {
        static TABLE: OnceLock<Table<Syscall>> = OnceLock::new();
        &TABLE
    }

    fn time_form(field: &str) -> TimeForm {
        match field {
            "evt.time" => TimeForm::Clock,
            "evt.time.s" => TimeForm::ClockSeconds,
            "evt.time.iso8601" => TimeForm::Iso8601,
            "evt.datetime" => TimeForm::DateTime,
            "evt.datetime.s" => TimeForm::DateTimeSeconds,
            _ => TimeForm::Raw,
        }
    }

    /// An event that says nothing about a container is one of the host.
    fn defaults(fields: &Fields) -> Vec<(&'static str, Value<'static>)> {
        let of_container = |name: &str| OF_CONTAINERS.iter().any(|begin| name.starts_with(begin));
        if fields.names().any(of_container) {
            Vec::new()
        } else {
            vec![("container.id", Value::Str("host"))]
        }
    }
}
