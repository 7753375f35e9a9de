//! Execs one after the other, each with its number and with known times.

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// An exec: its number is its argument.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// The number.
    pub number: u64,
    /// A time before the exec, in nanoseconds since the epoch.
    pub before: u64,
    /// A time after the exec.
    pub after: u64,
}

impl Tick {
    /// Whether the exec can have happened in that time.
    #[must_use]
    pub fn is_within(&self, (from, until): (u64, u64)) -> bool {
        self.after >= from && self.before <= until
    }
}

/// A thread that executes a program again and again.
#[derive(Debug)]
pub struct Ticks {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Tick>>,
}

impl Ticks {
    /// Starts to execute the program, with a pause after each time.
    ///
    /// # Panics
    /// In the thread, if the program cannot be executed.
    #[must_use]
    pub fn of(program: PathBuf, pause: Duration) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let its = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut ticks = Vec::new();
            while !its.load(Relaxed) {
                let (number, before) = (ticks.len() as u64, now());
                let status = Command::new(&program).arg(number.to_string()).status();
                let status = status.expect("the program can be executed");
                assert!(status.success(), "{status:?}");
                ticks.push(Tick {
                    number,
                    before,
                    after: now(),
                });
                thread::sleep(pause);
            }
            ticks
        });
        Self { ended, thread }
    }

    /// Ends the thread, and returns all execs.
    ///
    /// # Panics
    /// If an exec failed.
    #[must_use]
    pub fn end(self) -> Vec<Tick> {
        self.ended.store(true, Relaxed);
        self.thread.join().expect("each exec succeeds")
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.expect("the clock is behind the epoch");
    u64::try_from(since.as_nanos()).expect("the clock is before the year 2500")
}
