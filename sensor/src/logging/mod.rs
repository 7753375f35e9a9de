//! The sensor's log: what becomes of the events of [`tracing`].
//!
//! ```text
//! error!, warn!, info!, debug! ──▶ level of the target ──▶ count ──▶ line ──▶ standard error
//!                                                                    └─▶ thread ──▶ system log
//! ```

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

pub use layer::lines;

use config::Config;
use outputs::system_log::SOCKET;

use self::{
    layer::{Log, Settings},
    syslog::Syslog,
};

/// What can be changed while the log is in use.
static SETTINGS: OnceLock<Arc<ArcSwap<Settings>>> = OnceLock::new();

/// How long the end of the process waits for the system log.
const PATIENCE: Duration = Duration::from_secs(1);

/// From now on this process's events, those of its libraries included, become lines on
/// standard error. To be called once, at the start, before any thread is started; a second
/// call changes nothing.
pub fn start() {
    // While it can be asked for.
    let _ = telemetry::local_offset();
    let settings = SETTINGS.get_or_init(Arc::default);
    let log = Log::new(Arc::clone(settings));
    let subscriber = tracing_subscriber::registry().with(log);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        // Only a program that uses the library can have a logger already: it stays.
        let _ = tracing_log::LogTracer::init();
    }
}

/// From now on the log is as a configuration says.
pub fn apply(config: &Config) {
    let Some(settings) = SETTINGS.get() else {
        return;
    };
    let (syslog, failed) = match settings.load().syslog.clone() {
        _ if !config.log_syslog => (None, None),
        Some(syslog) => (Some(syslog), None),
        None => match Syslog::start(Path::new(SOCKET)) {
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

/// Waits a moment for what has not got to the system log yet. To be called before the process
/// ends.
pub fn finish() {
    let settings = SETTINGS.get().map(|settings| settings.load_full());
    if let Some(syslog) = settings.as_ref().and_then(|s| s.syslog.as_ref()) {
        syslog.flush(PATIENCE);
    }
}
