//! The offset of local time. It can be read only while the process has one thread, because the C
//! library reads the environment.

use std::sync::OnceLock;

use time::UtcOffset;

/// The offset of local time from UTC, as the first call found it. The program must make that call
/// before it starts a thread: otherwise the offset is zero.
#[must_use]
pub fn local_offset() -> UtcOffset {
    static OFFSET: OnceLock<UtcOffset> = OnceLock::new();
    *OFFSET.get_or_init(|| UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC))
}
