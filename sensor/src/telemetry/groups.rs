//! Falco's groups of events, by which it tells what its buffer had no room for.

use sensor_ebpf::{Counter, Kind, Part};

use super::Totals;

/// A group of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Execs, failed ones too.
    Execve,
    /// Connects.
    Connect,
    /// Plain system calls.
    OtherInterest,
}

impl Group {
    /// All groups that have events here.
    pub(super) const ALL: [Self; 3] = [Self::Execve, Self::Connect, Self::OtherInterest];

    /// Its name in Falco's metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Execve => "execve",
            Self::Connect => "connect",
            Self::OtherInterest => "other_interest",
        }
    }

    /// A counter of the kernel side, over the kinds of the group.
    pub(super) fn sum(self, totals: &Totals, counter: Counter) -> u64 {
        let kinds = Kind::ALL.into_iter().filter(|kind| Self::of(*kind) == self);
        kinds.map(|kind| totals.kernel(kind, counter)).sum()
    }

    fn of(kind: Kind) -> Self {
        match kind.part() {
            Part::Exec => Self::Execve,
            Part::Connect => Self::Connect,
            Part::Call(_) => Self::OtherInterest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::counters::KernelCounts;

    #[test]
    fn each_event_that_had_no_room_is_in_one_group() {
        let mut kernel = KernelCounts::default();
        for kind in Kind::ALL {
            kernel[kind as usize][Counter::RingFull as usize] = 1;
        }
        let totals = Totals {
            kernel,
            ..Totals::default()
        };
        let sums = Group::ALL.map(|group| group.sum(&totals, Counter::RingFull));
        assert_eq!(sums.iter().sum::<u64>(), Kind::ALL.len() as u64);
        assert_eq!(sums[..2], [2, 1]);
    }
}
