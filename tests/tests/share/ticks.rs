//! Numbered execs with known times.

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tests::programs;

/// The name of the program; no other program of the guest has it.
pub(crate) const PROGRAM: &str = "share-tick";
/// Pause between two execs.
const PAUSE: Duration = Duration::from_millis(30);
/// Further bytes of each line, and of each command line: pages of a file fill up faster.
const PADDING: usize = 700;

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// A thread that executes the program again and again. The number of an exec is its place in the
/// list of their times: nanoseconds before and after it.
pub(crate) struct Ticks {
    times: Arc<Mutex<Vec<(u64, u64)>>>,
    has_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticks {
    pub(crate) fn start(program: PathBuf) -> Self {
        let times = Arc::<Mutex<Vec<_>>>::default();
        let has_ended = Arc::<AtomicBool>::default();
        let (all, ended) = (Arc::clone(&times), Arc::clone(&has_ended));
        let padding = "x".repeat(PADDING);
        let thread = thread::spawn(move || {
            while !ended.load(Relaxed) {
                let number = all.lock().unwrap().len().to_string();
                let before = now();
                let mut command = Command::new(&program);
                let mut child = programs::spawn(command.args([&number, &padding]));
                assert!(child.wait().unwrap().success());
                all.lock().unwrap().push((before, now()));
                thread::sleep(PAUSE);
            }
        });
        Self {
            times,
            has_ended,
            thread: Some(thread),
        }
    }

    /// How many there were so far.
    pub(crate) fn count(&self) -> usize {
        self.times.lock().unwrap().len()
    }

    /// The times of an exec.
    pub(crate) fn times(&self, number: usize) -> (u64, u64) {
        self.times.lock().unwrap()[number]
    }

    /// Ends the thread.
    pub(crate) fn end(&mut self) {
        self.has_ended.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.has_ended.store(true, Relaxed);
    }
}
