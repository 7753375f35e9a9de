//! A line that the sensor wrote, parsed.

use serde_json::Value;

/// One alert.
#[derive(Clone, Debug)]
pub struct Event(pub Value);

impl Event {
    /// A line of the output file.
    ///
    /// # Panics
    /// If the line is not one JSON object.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => Self(value),
            Ok(value) => panic!("the line is JSON, but no object: {value}"),
            Err(error) => panic!("the line is not JSON: {error}: {line:?}"),
        }
    }

    /// Value of an output field.
    ///
    /// # Panics
    /// If the line has no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> &Value {
        let fields = &self.0["output_fields"];
        fields
            .get(name)
            .unwrap_or_else(|| panic!("no field {name} in {:#}", self.0))
    }

    /// Value of a field that is a string.
    ///
    /// # Panics
    /// If the field is not a string.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let value = self.field(name);
        value
            .as_str()
            .unwrap_or_else(|| panic!("{name} is {value}, not a string"))
    }

    /// Value of a field that is a number.
    ///
    /// # Panics
    /// If the field is not a number.
    #[must_use]
    pub fn number(&self, name: &str) -> i64 {
        let value = self.field(name);
        value
            .as_i64()
            .unwrap_or_else(|| panic!("{name} is {value}, not a number"))
    }

    /// Value of a field that is a boolean.
    ///
    /// # Panics
    /// If the field is not a boolean.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let value = self.field(name);
        value
            .as_bool()
            .unwrap_or_else(|| panic!("{name} is {value}, not a boolean"))
    }

    /// Checks two or more fields at once; the panic names all that differ.
    ///
    /// # Panics
    /// If any field differs.
    pub fn assert_fields(&self, expected: &Value) {
        let differing: Vec<_> = expected
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, value)| self.field(name) != *value)
            .map(|(name, value)| format!("  {name}: {} instead of {value}", self.field(name)))
            .collect();
        assert!(
            differing.is_empty(),
            "\n{}\nin {}",
            differing.join("\n"),
            self.0
        );
    }

    /// Whether the line is an internal record, and not about a process.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.0["source"] == "internal"
    }
}
