//! The offset of local time, which can only be asked for while there is one thread: the C
//! library reads the environment for it.

use std::sync::OnceLock;

use time::UtcOffset;

/// The offset of local time from UTC, as the first call has found it. That call is to be made
/// before any thread is started: otherwise local time is taken to be UTC.
#[must_use]
pub fn local_offset() -> UtcOffset {
    static OFFSET: OnceLock<UtcOffset> = OnceLock::new();
    *OFFSET.get_or_init(|| UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC))
}
