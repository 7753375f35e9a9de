//! The sensor's log: lines on standard error, for people and for the kubelet.

use std::{
    fmt,
    io::Write,
    sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    time::SystemTime,
};

use time::OffsetDateTime;

use crate::config::Priority;

static LEVEL: AtomicU8 = AtomicU8::new(Priority::Informational as u8);
/// Lines logged, by priority.
static LINES: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];
/// Above all levels: nothing is printed.
const SILENT: u8 = u8::MAX;

/// Prints lines as urgent as `level` or more; none at all without one.
pub fn set_level(level: Option<Priority>) {
    LEVEL.store(level.map_or(SILENT, |level| level as u8), Relaxed);
}

/// Number of lines logged with a priority, printed or not.
#[must_use]
pub fn lines(priority: Priority) -> u64 {
    LINES[priority as usize].load(Relaxed)
}

/// Writes one line.
pub fn log(priority: Priority, message: fmt::Arguments<'_>) {
    LINES[priority as usize].fetch_add(1, Relaxed);
    let level = LEVEL.load(Relaxed);
    if level == SILENT || priority as u8 > level {
        return;
    }
    let t = OffsetDateTime::from(SystemTime::now());
    let line = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+0000: {priority}: {message}\n",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    );
    // There is nowhere to tell that standard error cannot be written.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Logs something that went wrong.
#[macro_export]
macro_rules! log_error {
    ($($arg:tt)*) => { $crate::reports::log($crate::config::Priority::Error, format_args!($($arg)*)) };
}

/// Logs something that may be wrong.
#[macro_export]
macro_rules! log_warning {
    ($($arg:tt)*) => { $crate::reports::log($crate::config::Priority::Warning, format_args!($($arg)*)) };
}

/// Logs what an operator wants to know.
#[macro_export]
macro_rules! log_info {
    ($($arg:tt)*) => { $crate::reports::log($crate::config::Priority::Informational, format_args!($($arg)*)) };
}
