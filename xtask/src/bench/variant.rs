//! The settings under which the sensor is measured.

use harness::{Sensor, Setup};

/// A way to run the sensor, or not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variant {
    /// No sensor: what the others are compared with.
    Without,
    /// Only containers are wanted: the kernel side drops the storm, which is the host's.
    Filtered,
    /// A rule wants host execs, but of a program that does not run.
    Unmatched,
    /// Every exec is written.
    Written,
}

impl Variant {
    pub(super) const ALL: [Self; 4] = [
        Self::Without,
        Self::Filtered,
        Self::Unmatched,
        Self::Written,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Without => "without sensor",
            Self::Filtered => "filtered in the kernel",
            Self::Unmatched => "no rule matches",
            Self::Written => "every exec written",
        }
    }

    /// Starts the sensor so, unless there is to be none.
    pub(super) fn start(self) -> Option<Sensor> {
        let condition = match self {
            Self::Without => return None,
            Self::Filtered => "evt.type = execve and container.id != host",
            Self::Unmatched => "evt.type = execve and proc.name = no-such-program",
            Self::Written => "evt.type = execve",
        };
        let rules = include_str!("rules.yaml").replace("CONDITION", condition);
        Some(Setup::of_the_machine().rules(&rules).start())
    }
}
