//! Detects outputs that are blocked: `output_timeout`.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use outputs::Counts;
use tracing::{error, info};

/// How long an output may gather lines before it writes them together.
const GATHER: Duration = Duration::from_millis(1500);

/// The progress of an output.
#[derive(Clone, Copy, Debug)]
struct Progress {
    done: u64,
    /// When the output last made progress, or had no lines to write.
    since: Instant,
    blocked: bool,
}

/// The state of an output at a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputState {
    /// The output makes progress, or has nothing to do.
    Well,
    /// The output is blocked, for the first check.
    Blocked,
    /// The output is still blocked.
    StillBlocked,
}

/// Watches whether an output writes the lines in its queue. As in Falco, the sensor waits for a
/// blocked output, and logs the fact.
#[derive(Debug, Default)]
pub struct Stalls {
    timeout: Duration,
    outputs: BTreeMap<&'static str, Progress>,
}

impl Stalls {
    /// Sets how long an output may make no progress; 0 disables the check.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Checks an output. Call this about once a second.
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
