//! Outputs that take too long: `output_timeout`.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use outputs::Counts;
use tracing::{error, info};

/// Lines may wait as long as this to be written together.
const GATHER: Duration = Duration::from_millis(1500);

/// How far an output has come.
#[derive(Clone, Copy, Debug)]
struct Progress {
    done: u64,
    /// When that was first seen, or nothing waited.
    since: Instant,
    blocked: bool,
}

/// What an output is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputState {
    /// It goes on, or has nothing to do.
    Well,
    /// It is blocked since this look.
    Blocked,
    /// It is still blocked.
    StillBlocked,
}

/// Watches whether lines that wait before an output become fewer. As in Falco, an
/// output that is blocked is waited for; it is told.
#[derive(Debug, Default)]
pub struct Stalls {
    timeout: Duration,
    outputs: BTreeMap<&'static str, Progress>,
}

impl Stalls {
    /// How long is too long; 0: nothing is.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Looks at an output; to be called about once a second.
    pub fn look(&mut self, now: Instant, name: &'static str, counts: &Counts) -> OutputState {
        let done = counts.written + counts.dropped_total();
        let progress = self.outputs.entry(name).or_insert(Progress {
            done,
            since: now,
            blocked: false,
        });
        let waited = now.saturating_duration_since(progress.since);
        if done != progress.done || counts.spooled == 0 || self.timeout.is_zero() {
            if progress.blocked {
                info!("output {name} goes on after {:.1} s", waited.as_secs_f64());
            }
            *progress = Progress {
                done,
                since: now,
                blocked: false,
            };
            return OutputState::Well;
        }
        if progress.blocked {
            return OutputState::StillBlocked;
        }
        if waited < self.timeout.max(GATHER) {
            return OutputState::Well;
        }
        progress.blocked = true;
        error!(
            "output {name} is blocked: {} lines wait, and none was written for {:.1} s (output_timeout)",
            counts.spooled,
            waited.as_secs_f64()
        );
        OutputState::Blocked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(written: u64, spooled: u64) -> Counts {
        Counts {
            offered: written + spooled,
            written,
            spooled,
            ..Counts::default()
        }
    }

    #[test]
    fn an_output_is_blocked_once_no_line_was_written_for_too_long() {
        let mut stalls = Stalls::default();
        stalls.set_timeout(Duration::from_secs(2));
        let start = Instant::now();
        let mut look = |seconds, written, spooled| {
            let now = start + Duration::from_secs(seconds);
            stalls.look(now, "file", &counts(written, spooled))
        };
        assert_eq!(look(0, 5, 0), OutputState::Well);
        assert_eq!(
            look(60, 5, 9),
            OutputState::Blocked,
            "longer than it may be"
        );
        assert_eq!(look(61, 6, 8), OutputState::Well);
        assert_eq!(look(62, 6, 8), OutputState::Well);
        assert_eq!(look(63, 6, 8), OutputState::Blocked);
        assert_eq!(look(64, 6, 8), OutputState::StillBlocked);
        assert_eq!(look(65, 14, 0), OutputState::Well);
    }

    #[test]
    fn without_a_timeout_nothing_is_blocked() {
        let mut stalls = Stalls::default();
        let start = Instant::now();
        stalls.look(start, "file", &counts(0, 1));
        let later = start + Duration::from_hours(1);
        assert_eq!(stalls.look(later, "file", &counts(0, 1)), OutputState::Well);
    }
}
