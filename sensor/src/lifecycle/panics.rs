//! A panic in any thread ends the process, so that no sensor goes on with a part missing.

use std::{
    panic::{self, PanicHookInfo},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use tracing::error;

use crate::logging;

static PANICKED: AtomicBool = AtomicBool::new(false);

/// How long an orderly stop may take after a panic, in milliseconds.
static PATIENCE: AtomicU64 = AtomicU64::new(0);

/// Sets how long an orderly stop may take after a panic, at the start and after a reload.
pub fn set_patience(patience: Duration) {
    let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    PATIENCE.store(milliseconds, Relaxed);
}

/// Whether a thread has panicked: then the exit code must be 1.
#[must_use]
pub fn panicked() -> bool {
    PANICKED.load(Relaxed)
}

/// Installs the panic hook. From then on a panic is logged, the hook calls `on_panic` (which counts
/// the panic and asks for an orderly stop), and the process exits with 1 when the time of
/// [`set_patience`] is up, at the latest.
pub fn install(on_panic: impl Fn() + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |info| {
        let first = !PANICKED.swap(true, Relaxed);
        let thread = thread::current();
        error!(
            "panic in thread {} at {}: {}; the sensor stops",
            thread.name().unwrap_or("unnamed"),
            info.location()
                .map_or_else(|| "unknown".into(), ToString::to_string),
            message(info)
        );
        if !first {
            return;
        }
        on_panic();
        let watchdog = thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || {
                thread::sleep(Duration::from_millis(PATIENCE.load(Relaxed)));
                error!("not stopped in order after a panic; exiting");
                logging::finish();
                std::process::exit(1);
            });
        if watchdog.is_err() {
            std::process::exit(1);
        }
    }));
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
