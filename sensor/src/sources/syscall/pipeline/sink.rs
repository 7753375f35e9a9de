//! Where lines go.

use crate::output::{Meta, Outputs};

/// Takes whole lines.
pub trait Sink {
    /// Whether lines are used as they are configured (JSON or text).
    fn wants_lines(&self) -> bool;
    /// Whether readable text is used as well.
    fn wants_text(&self) -> bool;
    /// Takes one line, newline included, and the same as text if that is wanted.
    fn line(&mut self, line: &[u8], text: &[u8], priority: u8);
}

impl Sink for Outputs {
    fn wants_lines(&self) -> bool {
        Self::wants_lines(self)
    }

    fn wants_text(&self) -> bool {
        self.wants_terminal_text()
    }

    fn line(&mut self, line: &[u8], text: &[u8], priority: u8) {
        let terminal = self.wants_terminal_text().then_some(text);
        self.push(line, Meta { priority, terminal });
    }
}

/// All lines, one after the other.
impl Sink for Vec<u8> {
    fn wants_lines(&self) -> bool {
        true
    }

    fn wants_text(&self) -> bool {
        false
    }

    fn line(&mut self, line: &[u8], _text: &[u8], _priority: u8) {
        self.extend_from_slice(line);
    }
}
