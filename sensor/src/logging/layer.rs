//! The layer that receives the events of `tracing`.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use config::{Config, LogFormat, LogLevel, priority_of};
use falco_rules::Priority;
use tracing::{Event, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::{Context, Filter},
};

use super::{level, line::Line, syslog::Syslog};

/// Events logged, by priority.
static LINES: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

/// Number of lines logged with a priority, printed or not.
#[must_use]
pub fn lines(priority: Priority) -> u64 {
    LINES[priority as usize].load(Relaxed)
}

/// The settings that can change while the log is in use.
#[derive(Debug)]
pub(super) struct Settings {
    /// The events that the log counts even if it does not print them, so that metrics show errors
    /// although the log is off.
    counted: Targets,
    printed: Targets,
    format: LogFormat,
    stderr: bool,
    pub(super) syslog: Option<Syslog>,
}

impl Default for Settings {
    /// The settings until the sensor has read the configuration.
    fn default() -> Self {
        Self::new(&Config::default(), None)
    }
}

impl Settings {
    /// The settings of a configuration. `syslog` leads to the system log, if the configuration
    /// wants lines there.
    pub(super) fn new(config: &Config, syslog: Option<Syslog>) -> Self {
        Self {
            counted: level::targets(&LogLevel::default()),
            printed: if config.log_stderr || syslog.is_some() {
                level::targets(&config.log_level)
            } else {
                level::none()
            },
            format: config.sensor.log_format,
            stderr: config.log_stderr,
            syslog,
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
    /// From then on an event that no setting wants costs one comparison, until the settings change.
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
        // For an event of the crate `log`, only the normalized metadata have the event's own
        // target.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let priority = priority_of(*metadata.level());
        LINES[priority as usize].fetch_add(1, Relaxed);
        let settings = self.settings.load();
        if !settings
            .printed
            .would_enable(metadata.target(), metadata.level())
        {
            return;
        }
        let line = Line::new(settings.format, SystemTime::now(), metadata, event);
        if settings.stderr {
            // If standard error cannot be written, no place is left to report the error.
            let _ = std::io::stderr().write_all(line.whole().as_bytes());
        }
        if let Some(syslog) = &settings.syslog {
            syslog.write(priority, &line.body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fmt};

    use tracing::{debug, info, subscriber::with_default};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Counts how often the value is formatted.
    #[derive(Default)]
    struct FormatCount(Cell<u32>);

    impl fmt::Display for FormatCount {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            Ok(())
        }
    }

    fn settings(level: &str, stderr: bool) -> Arc<ArcSwap<Settings>> {
        let config = Config {
            log_level: level.parse().unwrap(),
            log_stderr: stderr,
            ..Config::default()
        };
        Arc::new(ArcSwap::from_pointee(Settings::new(&config, None)))
    }

    #[test]
    fn an_event_whose_level_is_off_is_not_formatted() {
        let log = Log::new(settings("info", true));
        let count = FormatCount::default();
        with_default(tracing_subscriber::registry().with(log), || {
            debug!("{count}");
            assert_eq!(count.0.get(), 0);
            info!("{count}");
            assert_eq!(count.0.get(), 1);
        });
    }

    #[test]
    fn an_event_that_goes_nowhere_is_counted_and_not_formatted() {
        for (level, stderr) in [("info", false), ("error", true)] {
            let log = Log::new(settings(level, stderr));
            let count = FormatCount::default();
            let before = lines(Priority::Informational);
            with_default(tracing_subscriber::registry().with(log), || {
                info!("{count}");
            });
            assert!(lines(Priority::Informational) > before);
            assert_eq!(count.0.get(), 0, "{level}");
        }
    }

    #[test]
    fn changed_settings_apply_to_the_next_event() {
        let shared = settings("info", true);
        let log = Log::new(Arc::clone(&shared));
        let count = FormatCount::default();
        with_default(tracing_subscriber::registry().with(log), || {
            for (level, times) in [("debug", 1), ("info", 1), ("info,sensor=debug", 2)] {
                shared.store(settings(level, true).load_full());
                tracing::callsite::rebuild_interest_cache();
                debug!("{count}");
                assert_eq!(count.0.get(), times, "{level}");
            }
        });
    }
}
