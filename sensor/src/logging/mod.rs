//! The sensor's log: what becomes of the events of [`tracing`].
//!
//! ```text
//! error!, warn!, info!, debug! ──▶ level of the target ──▶ count ──▶ line ──▶ standard error
//! ```

mod layer;
mod level;
mod line;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tracing_subscriber::layer::SubscriberExt as _;

pub use layer::lines;

use config::Config;

use self::layer::{Log, Settings};

/// What can be changed while the log is in use.
static SETTINGS: OnceLock<Arc<ArcSwap<Settings>>> = OnceLock::new();

/// From now on this process's events, those of its libraries included, become lines on
/// standard error. To be called once, at the start; a second call changes nothing.
pub fn start() {
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
    if let Some(settings) = SETTINGS.get() {
        settings.store(Arc::new(Settings::new(config)));
        tracing::callsite::rebuild_interest_cache();
    }
}
