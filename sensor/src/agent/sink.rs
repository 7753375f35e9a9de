//! Where lines go.

use bytes::BytesMut;
use falco_rules::Priority;

use crate::output::{Form, Outputs};

/// Takes whole lines.
pub trait Sink {
    /// Takes a line: `write` appends it, newline included, in each form that is wanted.
    fn line(&mut self, priority: Priority, write: impl FnMut(Form, &mut BytesMut));
}

impl Sink for Outputs {
    fn line(&mut self, priority: Priority, write: impl FnMut(Form, &mut BytesMut)) {
        Self::line(self, priority, write);
    }
}

/// All lines as they are configured, one after the other.
impl Sink for BytesMut {
    fn line(&mut self, _priority: Priority, mut write: impl FnMut(Form, &mut BytesMut)) {
        write(Form::Configured, self);
    }
}
