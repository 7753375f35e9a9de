//! Which events are wanted.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::config::LogLevel;

/// What the targets of the sensor's own events begin with.
pub(super) const OWN: &str = "sensor";

/// The events that a `log_level` wants. Libraries are heard from warnings on, if it does not
/// name them: what they do in detail is not what the sensor's user has asked for.
pub(super) fn targets(level: &LogLevel) -> Targets {
    Targets::new()
        .with_default(level.own.min(LevelFilter::WARN))
        .with_target(OWN, level.own)
        .with_targets(level.targets.iter().cloned())
}

/// No events.
pub(super) fn none() -> Targets {
    Targets::new().with_default(LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn wanted(level: &str) -> impl Fn(&str, Level) -> bool {
        let targets = targets(&level.parse().unwrap());
        move |target, level| targets.would_enable(target, &level)
    }

    #[test]
    fn libraries_are_heard_from_warnings_on() {
        let debug = wanted("debug");
        assert!(debug("sensor::run", Level::DEBUG));
        assert!(debug("kube_client::client", Level::WARN));
        assert!(!debug("kube_client::client", Level::INFO));
        assert!(!wanted("error")("kube_client::client", Level::WARN));
    }

    #[test]
    fn a_target_that_is_named_has_its_own_level_and_so_has_what_is_in_it() {
        let mixed = wanted("warning,sensor::enrich=debug,kube_client=info");
        assert!(mixed("sensor::enrich::kube", Level::DEBUG));
        assert!(!mixed("sensor::run", Level::INFO));
        assert!(mixed("kube_client::client", Level::INFO));
        assert!(!mixed("h2::client", Level::INFO));
    }

    #[test]
    fn nothing_is_wanted_of_a_log_that_goes_nowhere() {
        assert!(!none().would_enable("sensor", &Level::ERROR));
    }
}
