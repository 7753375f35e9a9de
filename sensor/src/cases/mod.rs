//! `sensor test`: cases beside rules, which say of an event which rules match it.
//!
//! ```yaml
//! rules: detections.yaml        # beside this file; a name or a list
//! cases:
//!   - name: a shell with a terminal
//!     event: {evt.type: execve, container.id: 0123456789ab, proc.name: bash, proc.tty: 34816}
//!     match: Terminal shell in container
//!   - name: a shell without a terminal
//!     like: a shell with a terminal
//!     event: {proc.tty: 0}
//!     no_match: Terminal shell in container
//! ```
//!
//! [`docs/rule-tests.md`](../../../docs/rule-tests.md) describes the file.

mod coverage;
mod file;
mod junit;
mod mutants;
mod outcome;
mod read;

pub use coverage::{Coverage, RuleCoverage};
pub use file::{Case, CaseFile, Choice, RecordedEvent, files};
pub use junit::junit;
pub use mutants::{Mutant, mutants};
pub use outcome::{Outcome, compile, run};

use falco_rules::Value;

/// A value for people: texts in quotes, `<NA>` for a value that the event does not have.
#[must_use]
pub fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Absent => "<NA>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) | Value::Time(number, _) => number.to_string(),
        Value::Str(text) => format!("\"{text}\""),
        Value::Ip(address) => address.to_string(),
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(shown).collect();
            format!("({})", values.join(", "))
        }
    }
}
