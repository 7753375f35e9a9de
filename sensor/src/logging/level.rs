//! Levels: Falco's eight priorities, and the five of `tracing`.

use config::Priority;
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;

/// What the targets of the sensor's own events begin with.
pub(super) const OWN: &str = "sensor";

/// The priority that an event of a level has.
pub(super) fn priority(level: Level) -> Priority {
    match level {
        Level::ERROR => Priority::Error,
        Level::WARN => Priority::Warning,
        Level::INFO => Priority::Informational,
        Level::DEBUG | Level::TRACE => Priority::Debug,
    }
}

/// The events that are wanted if the sensor's own are to be as urgent as `level` or more, and
/// none without one. Those of libraries are warnings at least.
pub(super) fn targets(level: Option<Priority>) -> Targets {
    let level = level.map_or(LevelFilter::OFF, filter);
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(OWN, level)
}

/// The levels that are as urgent as a priority or more. What is more urgent than `error` has
/// no level of its own.
fn filter(priority: Priority) -> LevelFilter {
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical | Priority::Error => {
            LevelFilter::ERROR
        }
        Priority::Warning | Priority::Notice => LevelFilter::WARN,
        Priority::Informational => LevelFilter::INFO,
        Priority::Debug => LevelFilter::DEBUG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_of_falco_is_the_nearest_level() {
        let level = |name: &str| filter(name.parse().unwrap());
        for name in ["emergency", "alert", "critical", "error"] {
            assert_eq!(level(name), LevelFilter::ERROR, "{name}");
        }
        for name in ["warning", "notice"] {
            assert_eq!(level(name), LevelFilter::WARN, "{name}");
        }
        for name in ["informational", "info"] {
            assert_eq!(level(name), LevelFilter::INFO, "{name}");
        }
        assert_eq!(level("debug"), LevelFilter::DEBUG);
    }

    #[test]
    fn libraries_are_heard_from_warnings_on() {
        let wanted = targets(Some(Priority::Debug));
        assert!(wanted.would_enable("sensor::run", &Level::DEBUG));
        assert!(wanted.would_enable("kube_client::client", &Level::WARN));
        assert!(!wanted.would_enable("kube_client::client", &Level::INFO));
        let wanted = targets(Some(Priority::Error));
        assert!(!wanted.would_enable("kube_client::client", &Level::WARN));
        assert!(!targets(None).would_enable("sensor::run", &Level::ERROR));
    }
}
