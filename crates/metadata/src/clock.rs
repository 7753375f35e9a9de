//! Times of other programs, in nanoseconds since boot.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of a millisecond.
pub(super) const MILLISECOND: u64 = 1_000_000;
/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000 * MILLISECOND;

/// Nanoseconds since boot (`CLOCK_BOOTTIME`, as kernel records have it).
#[must_use]
pub fn boot_now() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// The boot time of a recent wall-clock time of this machine; never in the future, also if the wall
/// clock was set back meanwhile.
pub(super) fn boot_at(epoch: u64) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
    boot_now().saturating_sub(now.saturating_sub(epoch))
}
