//! Destinations of lines.

use bytes::BytesMut;
use falco_rules::Priority;
use outputs::{Form, Outputs};

/// Takes whole lines.
pub trait Lines {
    /// Takes a line: `write` appends the line, newline included, in each form that the destination
    /// wants.
    fn line(&mut self, priority: Priority, write: impl FnMut(Form, &mut BytesMut));
}

impl Lines for Outputs {
    fn line(&mut self, priority: Priority, write: impl FnMut(Form, &mut BytesMut)) {
        Self::line(self, priority, write);
    }
}

/// All lines in the configured form, one after the other.
impl Lines for BytesMut {
    fn line(&mut self, _priority: Priority, mut write: impl FnMut(Form, &mut BytesMut)) {
        write(Form::Configured, self);
    }
}
