//! The main thread's part of the self-test: starts the helper, sends numbers, waits.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{HELPER_FLAG, Marker, marker::digits};

/// Why the self-test cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The helper cannot start.
    #[error("the helper process cannot be started: {0}")]
    Helper(#[from] io::Error),
}

/// The result of a test.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The exec came back as an event.
    Passed,
    /// The exec did not come back, for this reason.
    Failed(String),
}

/// The running self-test.
#[derive(Debug)]
pub struct SelfTest {
    child: Child,
    numbers: Option<ChildStdin>,
    marker: Arc<Marker>,
    interval: Duration,
    timeout: Duration,
    next: Instant,
    /// When the helper got the number of the running test.
    asked: Option<Instant>,
    /// Whether the running test has already failed.
    late: bool,
}

impl SelfTest {
    /// Starts the helper. The first test is due at once.
    ///
    /// # Errors
    /// If the self-test cannot run here.
    pub fn start(config: &config::SelfTest, marker: &Arc<Marker>) -> Result<Self, SelfTestError> {
        let mut child = Command::new("/proc/self/exe")
            .arg(HELPER_FLAG)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            numbers: child.stdin.take(),
            child,
            marker: Arc::clone(marker),
            interval: config.interval.0,
            timeout: config.timeout.0,
            next: Instant::now(),
            asked: None,
            late: false,
        })
    }

    /// Does the work that is due; call this several times a second. Returns the result of a test,
    /// once for each result: a test that has failed because of the time may still pass.
    pub fn tick(&mut self, now: Instant) -> Option<Verdict> {
        let Some(asked) = self.asked else {
            if now >= self.next {
                return self.ask(now).err().map(|error| self.fail(&error));
            }
            return None;
        };
        if self.marker.is_back() {
            self.asked = None;
            self.next = now + self.interval;
            self.marker.passed.fetch_add(1, Relaxed);
            return Some(Verdict::Passed);
        }
        if self.late || now.duration_since(asked) < self.timeout {
            return None;
        }
        self.late = true;
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        let what = if ended {
            "its process has ended: start the sensor again"
        } else {
            "its process was stopped, or what happens does not arrive"
        };
        Some(self.fail(&what))
    }

    fn ask(&mut self, now: Instant) -> io::Result<()> {
        let number = RandomState::new().build_hasher().finish() | 1;
        self.asked = Some(now);
        self.late = false;
        self.marker.expect(number);
        let numbers = self.numbers.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        numbers.write_all(digits(number).as_bytes())
    }

    fn fail(&mut self, why: &dyn std::fmt::Display) -> Verdict {
        self.late = true;
        self.marker.failed.fetch_add(1, Relaxed);
        Verdict::Failed(format!(
            "the exec of the self-test did not come back within {:?}: {why}",
            self.timeout
        ))
    }
}

impl Drop for SelfTest {
    fn drop(&mut self) {
        // The helper ends when its input ends; if the helper was stopped, the sensor has to kill
        // it.
        drop(self.numbers.take());
        let until = Instant::now() + Duration::from_millis(200);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
