//! The sensor's log: the way of the events of [`tracing`] to their outputs.
//!
//! ```text
//! error!, warn!, info!, debug! ──▶ level of the target ──▶ count ──▶ line ──▶ standard error
//!                                                                    └─▶ thread ──▶ system log
//! ```

mod explain;
mod layer;
mod level;
mod line;
mod syslog;

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use tracing::warn;
use tracing_subscriber::layer::SubscriberExt as _;

pub use explain::explain;
pub use layer::lines;

use config::Config;
use outputs::system_log::SOCKET;

use self::{
    layer::{Log, Settings},
    syslog::Syslog,
};

/// The settings that can change while the log is in use.
static SETTINGS: OnceLock<Arc<ArcSwap<Settings>>> = OnceLock::new();

/// How long the end of the process waits for the system log.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts the log: from now on the events of this process, those of its libraries included, become
/// lines on standard error. Call this once, at the start, before any thread starts; a second call
/// changes nothing.
pub fn start() {
    // Reads the local time zone while the process has one thread, as the time zone needs.
    let _ = telemetry::local_offset();
    let settings = SETTINGS.get_or_init(Arc::default);
    let log = Log::new(Arc::clone(settings));
    let subscriber = tracing_subscriber::registry().with(log);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        // Only a program that uses this library can already have a logger, which then stays.
        let _ = tracing_log::LogTracer::init();
    }
}

/// Applies the settings of a configuration to the log.
pub fn apply(config: &Config) {
    let Some(settings) = SETTINGS.get() else {
        return;
    };
    let (syslog, failed) = match settings.load().syslog.clone() {
        _ if !config.log_syslog => (None, None),
        Some(syslog) if syslog.ident() == config.sensor.syslog.ident => (Some(syslog), None),
        _ => match Syslog::start(Path::new(SOCKET), &config.sensor.syslog.ident) {
            Ok(syslog) => (Some(syslog), None),
            Err(error) => (None, Some(error)),
        },
    };
    settings.store(Arc::new(Settings::new(config, syslog)));
    tracing::callsite::rebuild_interest_cache();
    if let Some(error) = failed {
        warn!("log_syslog: no thread for it: {error}");
    }
}

/// Waits up to a second until the system log has all lines. Call this before the process ends.
pub fn finish() {
    let settings = SETTINGS.get().map(|settings| settings.load_full());
    if let Some(syslog) = settings.as_ref().and_then(|s| s.syslog.as_ref()) {
        syslog.flush(PATIENCE);
    }
}
