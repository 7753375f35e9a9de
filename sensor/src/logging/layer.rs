//! Where the events of `tracing` come in.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use config::Priority;
use tracing::{Event, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::{Context, Filter},
};

use super::{level, line};

/// Events logged, by priority.
static LINES: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

/// Number of lines logged with a priority, printed or not.
#[must_use]
pub fn lines(priority: Priority) -> u64 {
    LINES[priority as usize].load(Relaxed)
}

/// What can be changed while the log is in use.
#[derive(Debug)]
pub(super) struct Settings {
    /// What is counted though it may not be printed: so that metrics tell of errors even if
    /// the log is off.
    counted: Targets,
    printed: Targets,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(Some(Priority::Informational))
    }
}

impl Settings {
    /// Prints lines as urgent as `level` or more; none at all without one.
    pub(super) fn new(level: Option<Priority>) -> Self {
        Self {
            counted: level::targets(Some(Priority::Informational)),
            printed: level::targets(level),
        }
    }

    fn want(&self, metadata: &Metadata<'_>) -> bool {
        [&self.counted, &self.printed]
            .into_iter()
            .any(|targets| targets.would_enable(metadata.target(), metadata.level()))
    }
}

/// The layer that counts events and writes them as lines.
#[derive(Debug)]
pub(super) struct Log {
    settings: Arc<ArcSwap<Settings>>,
}

impl Log {
    pub(super) fn new(settings: Arc<ArcSwap<Settings>>) -> Self {
        Self { settings }
    }
}

impl<S: Subscriber> Layer<S> for Log {
    /// An event that nobody wants costs a comparison where it is made from then on, until the
    /// settings change.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.settings.load().want(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.settings.load().want(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let settings = self.settings.load();
        let most = |targets| Filter::<Registry>::max_level_hint(targets);
        most(&settings.counted).max(most(&settings.printed))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // An event of the crate `log` has a target of its own only in here.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let priority = level::priority(*metadata.level());
        LINES[priority as usize].fetch_add(1, Relaxed);
        let settings = self.settings.load();
        if !settings
            .printed
            .would_enable(metadata.target(), metadata.level())
        {
            return;
        }
        let line = line::text(SystemTime::now(), metadata, event);
        // There is nowhere to tell that standard error cannot be written.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
