//! Which events the log wants.

use config::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The project's crates: the first part of the targets of their events.
const OWN: &[&str] = &[
    "config",
    "events",
    "falco_rules",
    "metadata",
    "outputs",
    "sensor",
    "telemetry",
    "yaml",
];

/// Whether an event is the project's own, by its target.
pub(super) fn is_own(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or(target);
    OWN.contains(&name)
}

/// The events that a `log_level` selects. If the level does not name libraries, the log takes their
/// events from warnings on: the sensor's user has not asked for details of libraries.
pub(super) fn targets(level: &LogLevel) -> Targets {
    Targets::new()
        .with_default(level.own.min(LevelFilter::WARN))
        .with_targets(OWN.iter().map(|name| (*name, level.own)))
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
    fn the_log_takes_events_of_libraries_from_warnings_on() {
        let debug = wanted("debug");
        assert!(debug("sensor::app", Level::DEBUG));
        assert!(debug("kube_client::client", Level::WARN));
        assert!(!debug("kube_client::client", Level::INFO));
        assert!(!wanted("error")("kube_client::client", Level::WARN));
    }

    #[test]
    fn a_named_target_has_its_own_level_for_its_submodules_too() {
        let mixed = wanted("warning,metadata=debug,kube_client=info");
        assert!(mixed("metadata::kube", Level::DEBUG));
        assert!(!mixed("sensor::app", Level::INFO));
        assert!(mixed("kube_client::client", Level::INFO));
        assert!(!mixed("h2::client", Level::INFO));
    }

    #[test]
    fn each_crate_of_the_project_counts_as_its_own() {
        let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates");
        for entry in std::fs::read_dir(crates).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let target = format!("{}::x", name.replace('-', "_"));
            assert!(is_own(&target), "{target}");
            assert!(wanted("debug")(&target, Level::DEBUG), "{target}");
        }
    }

    #[test]
    fn a_log_without_a_destination_wants_no_events() {
        assert!(!none().would_enable("sensor", &Level::ERROR));
    }
}
