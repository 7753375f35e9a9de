//! Rules, from text to verdict.
