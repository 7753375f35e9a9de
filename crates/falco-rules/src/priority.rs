//! Priorities: how important a rule is.

use std::fmt;

/// Falco's eight priorities; the smaller the number, the more important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Priority {
    /// 0
    Emergency,
    /// 1
    Alert,
    /// 2
    Critical,
    /// 3
    Error,
    /// 4
    Warning,
    /// 5
    Notice,
    /// 6
    Informational,
    /// 7
    Debug,
}

impl Priority {
    /// All priorities, the most important one first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// The priority of any spelling that Falco accepts: upper or lower case, `INFO` too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("info") {
            return Some(Self::Informational);
        }
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether a spelling is one of Falco's schema of rule files (capital letters).
    #[must_use]
    pub fn is_canonical(text: &str) -> bool {
        Self::parse(text).is_some() && !text.contains(|c: char| c.is_lowercase())
    }

    /// The spelling in JSON: `Informational`, never `Info`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "Emergency",
            Self::Alert => "Alert",
            Self::Critical => "Critical",
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Notice => "Notice",
            Self::Informational => "Informational",
            Self::Debug => "Debug",
        }
    }

    /// 0 (emergency) to 7 (debug), as syslog and Falco's metrics have it.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_falco_is_accepted() {
        assert_eq!(Priority::parse("INFO"), Some(Priority::Informational));
        assert_eq!(
            Priority::parse("informational"),
            Some(Priority::Informational)
        );
        assert_eq!(Priority::parse("WARNING"), Some(Priority::Warning));
        assert_eq!(Priority::parse("warn"), None);
    }

    #[test]
    fn the_schema_has_capitals() {
        assert!(
            ["WARNING", "INFO", "INFORMATIONAL"]
                .into_iter()
                .all(Priority::is_canonical)
        );
        assert!(
            !["Warning", "info", "WARN"]
                .into_iter()
                .any(Priority::is_canonical)
        );
    }

    #[test]
    fn numbers_are_those_of_syslog() {
        let numbers: Vec<_> = Priority::ALL.into_iter().map(Priority::number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
