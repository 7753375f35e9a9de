//! A panic anywhere ends the process: never a half-dead agent.

use std::{
    panic::{self, PanicHookInfo},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use tracing::error;

use crate::logging;

static PANICKED: AtomicBool = AtomicBool::new(false);

/// Whether there was a panic: the exit code must be 1.
#[must_use]
pub fn panicked() -> bool {
    PANICKED.load(Relaxed)
}

/// From now on a panic is logged, `tell` is called (count it, and ask for an orderly
/// stop), and the process exits with 1 at the latest after `patience`.
pub fn install(patience: Duration, tell: impl Fn() + Send + Sync + 'static) {
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
        tell();
        let watchdog = thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || {
                thread::sleep(patience);
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
