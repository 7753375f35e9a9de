//! Levels and form of the log.

use std::{fmt, str::FromStr};

use falco_rules::Priority;
use tracing::level_filters::LevelFilter;

use super::values::Expected;

/// `log_level`: the least urgent log lines, of the sensor itself and of single targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel {
    /// The level of the sensor's own lines. It applies to libraries too, but at most down to
    /// warnings.
    pub own: LevelFilter,
    /// Targets (modules of the sensor or of a library, with their submodules), each with a level.
    pub targets: Vec<(String, LevelFilter)>,
}

impl LogLevel {
    /// What the value must look like, for messages and for the documentation.
    pub(super) const TYPE: &str = "emergency, alert, critical, error, warning, notice, informational or debug, \
                                   alone or before targets as in info,sensor::enrich=debug";
}

impl Default for LogLevel {
    fn default() -> Self {
        Self {
            own: LevelFilter::INFO,
            targets: Vec::new(),
        }
    }
}

impl FromStr for LogLevel {
    type Err = Expected;

    /// `LEVEL`, `TARGET=LEVEL`, or both and more targets, with commas between them.
    fn from_str(text: &str) -> Result<Self, Expected> {
        let expected = || Expected(Self::TYPE);
        let (mut own, mut targets) = (None, Vec::new());
        for part in text.split(',') {
            let Some((target, name)) = part.split_once('=') else {
                let level = level(part.trim()).ok_or_else(expected)?;
                if own.replace(level).is_some() {
                    return Err(expected());
                }
                continue;
            };
            let target = target.trim();
            if target.is_empty() || target.contains(char::is_whitespace) {
                return Err(expected());
            }
            targets.push((target.into(), level(name.trim()).ok_or_else(expected)?));
        }
        let own = own.unwrap_or(Self::default().own);
        Ok(Self { own, targets })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(self.own))?;
        for (target, level) in &self.targets {
            write!(f, ",{target}={}", name(*level))?;
        }
        Ok(())
    }
}

/// The level with that name: a priority of Falco, or a level of `tracing`. More urgent priorities
/// than `error` are `error`.
fn level(name: &str) -> Option<LevelFilter> {
    let Some(priority) = Priority::parse(name) else {
        return match name.to_ascii_lowercase().as_str() {
            "warn" => Some(LevelFilter::WARN),
            "trace" => Some(LevelFilter::TRACE),
            "off" => Some(LevelFilter::OFF),
            _ => None,
        };
    };
    Some(match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical | Priority::Error => {
            LevelFilter::ERROR
        }
        Priority::Warning | Priority::Notice => LevelFilter::WARN,
        Priority::Informational => LevelFilter::INFO,
        Priority::Debug => LevelFilter::DEBUG,
    })
}

/// The name that [`level`] reads.
fn name(level: LevelFilter) -> &'static str {
    match level.into_level() {
        None => "off",
        Some(tracing::Level::TRACE) => "trace",
        Some(level) => priority_of(level).as_str(),
    }
}

/// The priority of a line with that level: there are five levels for eight priorities.
#[must_use]
pub const fn priority_of(level: tracing::Level) -> Priority {
    match level {
        tracing::Level::ERROR => Priority::Error,
        tracing::Level::WARN => Priority::Warning,
        tracing::Level::INFO => Priority::Informational,
        tracing::Level::DEBUG | tracing::Level::TRACE => Priority::Debug,
    }
}

/// `sensor.log_format`: the form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text.
    #[default]
    Text,
    /// A JSON object for each line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> LogLevel {
        text.parse().unwrap()
    }

    #[test]
    fn a_priority_of_falco_is_the_nearest_level() {
        for name in ["emergency", "alert", "critical", "error"] {
            assert_eq!(parsed(name).own, LevelFilter::ERROR, "{name}");
        }
        for name in ["warning", "notice", "warn"] {
            assert_eq!(parsed(name).own, LevelFilter::WARN, "{name}");
        }
        for name in ["informational", "info", "INFO"] {
            assert_eq!(parsed(name).own, LevelFilter::INFO, "{name}");
        }
        assert_eq!(parsed("debug").own, LevelFilter::DEBUG);
        assert_eq!(parsed("trace").own, LevelFilter::TRACE);
    }

    #[test]
    fn targets_have_levels_of_their_own() {
        let level = parsed("warning, sensor::enrich=debug,h2=off");
        assert_eq!(level.own, LevelFilter::WARN);
        let targets = [
            ("sensor::enrich".into(), LevelFilter::DEBUG),
            ("h2".into(), LevelFilter::OFF),
        ];
        assert_eq!(level.targets, targets);
        assert_eq!(parsed("kube=trace").own, LogLevel::default().own);
    }

    #[test]
    fn a_printed_level_reads_as_the_same_level() {
        for text in ["Informational", "off,h2=trace,kube=Warning"] {
            assert_eq!(parsed(text).to_string(), text);
        }
    }

    #[test]
    fn a_text_that_names_no_level_or_two_levels_is_refused() {
        for text in [
            "",
            "loud",
            "info,",
            "info,debug",
            "h2=",
            "h2=loud",
            "=debug",
            "a b=debug",
        ] {
            assert!(text.parse::<LogLevel>().is_err(), "{text}");
        }
    }
}
