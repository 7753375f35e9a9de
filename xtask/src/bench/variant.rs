//! The settings under which the sensor is measured.

use harness::{Sensor, Setup};

/// A setting of the sensor, or no sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variant {
    /// No sensor: the others are compared with this variant.
    Without,
    /// Rules want containers only: the kernel side filters the storm, which is on the host.
    Filtered,
    /// A rule wants execs of the host, of a program that does not run.
    Unmatched,
    /// The sensor writes every exec.
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

    /// Starts the sensor with that setting; none for [`Self::Without`].
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
