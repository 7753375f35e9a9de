//! The sensor as a child process.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::{event::Event, figures::cpu_time, lines, programs, rights, seen::Seen};

/// How long a start or a stop may take before the test fails (an emulated
/// machine is slow: `SENSOR_TEST_PATIENCE` in seconds). What users are promised is measured
/// by `cargo xtask bench`.
fn patience() -> Duration {
    let seconds = std::env::var("SENSOR_TEST_PATIENCE")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}
/// The sensor stops by itself after that time, whatever becomes of the test.
const LONGEST: Duration = Duration::from_mins(10);

/// How a sensor is to be started.
#[derive(Clone, Debug)]
pub struct Setup {
    rules: String,
    options: Vec<String>,
    capabilities: Option<Vec<u32>>,
    log: Option<PathBuf>,
    longest: Duration,
}

impl Setup {
    /// A sensor that observes one process and what it starts, and nothing else.
    #[must_use]
    pub fn watching(root: u32) -> Self {
        Self::of_the_machine()
            .option("sensor.capture.tree.mode", "only")
            .option("sensor.capture.tree.root", root)
    }

    /// A sensor that observes everybody but itself, as in production.
    #[must_use]
    pub fn of_the_machine() -> Self {
        Self {
            rules: include_str!("rules.yaml").to_owned(),
            options: Vec::new(),
            capabilities: None,
            log: None,
            longest: LONGEST,
        }
    }

    /// With no other capabilities than these, by their numbers.
    #[must_use]
    pub fn with_capabilities(self, capabilities: impl IntoIterator<Item = u32>) -> Self {
        Self {
            capabilities: Some(capabilities.into_iter().collect()),
            ..self
        }
    }

    /// Writes there.
    #[must_use]
    pub fn log_at(self, path: PathBuf) -> Self {
        Self {
            log: Some(path),
            ..self
        }
    }

    /// Sets a configuration key.
    #[must_use]
    pub fn option(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.options.push(format!("{key}={value}"));
        self
    }

    /// Lets it run as long at most, instead of ten minutes.
    #[must_use]
    pub fn at_most(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Replaces the rules, which show every exec with all of its fields.
    #[must_use]
    pub fn rules(self, rules: &str) -> Self {
        Self {
            rules: rules.to_owned(),
            ..self
        }
    }

    /// Starts it and waits until it says `ready`.
    ///
    /// # Panics
    /// If it does not come up; with what it wrote to standard error.
    #[must_use]
    pub fn start(self) -> Sensor {
        assert!(
            geteuid().is_root(),
            "these tests load eBPF programs: run them as root, or by `cargo xtask test`"
        );
        let mut setup = self;
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        // One sensor a node is the rule, so each has a lock of its own here. A process id would
        // not do: there is one such lock in a network namespace, which several pid namespaces
        // may share.
        let instance = dir.path().display();
        setup
            .options
            .insert(0, format!("sensor.instance=test{instance}"));
        let path = |name| dir.path().join(name);
        let mut config = String::new();
        let log = setup.log.unwrap_or_else(|| path("events.json"));
        write!(
            config,
            include_str!("sensor.yaml"),
            rules = path("rules.yaml").display(),
            filename = log.display()
        )
        .expect("memory takes it");
        fs::write(path("sensor.yaml"), config).expect("the configuration can be written");
        fs::write(path("rules.yaml"), setup.rules).expect("the rules can be written");
        let stderr = File::create(path("stderr")).expect("a file for standard error can be made");

        let mut command = Command::new(programs::sensor());
        command.arg("-c").arg(path("sensor.yaml"));
        command.args(["-M", &setup.longest.as_secs().to_string()]);
        for option in setup.options {
            command.arg("-o").arg(option);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        if let Some(capabilities) = &setup.capabilities {
            rights::keep_only(&mut command, capabilities);
        }
        let child = programs::spawn(&mut command);
        let mut sensor = Sensor {
            child,
            ended: None,
            log,
            dir,
        };
        sensor.wait_until_ready();
        sensor
    }
}

/// A running sensor.
#[derive(Debug)]
pub struct Sensor {
    child: Child,
    ended: Option<ExitStatus>,
    log: PathBuf,
    dir: TempDir,
}

impl Sensor {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its file of rules.
    #[must_use]
    pub fn rules_file(&self) -> PathBuf {
        self.dir.path().join("rules.yaml")
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        let bytes = fs::read(self.dir.path().join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Lines that it has written so far, without one that it is writing just now.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.split_inclusive('\n');
        let whole = lines.filter_map(|line| line.strip_suffix('\n'));
        whole.map(str::to_owned).collect()
    }

    /// Bytes that it has written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    /// Waits until it has been idle for a moment: nothing waits in its buffers.
    pub fn settle(&self) {
        let cpu = || cpu_time(self.pid()).unwrap_or_default();
        let mut last = cpu();
        wait_for(|| {
            thread::sleep(Duration::from_millis(50));
            let before = std::mem::replace(&mut last, cpu());
            last.saturating_sub(before) < Duration::from_micros(500)
        });
    }

    /// Stops it with TERM, which makes it write what it still has.
    ///
    /// # Panics
    /// If it does not stop in time, or with another code than 0.
    #[must_use]
    pub fn stop(mut self) -> Seen {
        self.signal(Signal::TERM);
        let stopped = wait_for(|| self.has_ended());
        let stderr = self.stderr();
        assert!(
            stopped,
            "the sensor did not stop within {:?} of TERM:\n{stderr}",
            patience()
        );
        let success = self.ended.is_some_and(|status| status.success());
        assert!(success, "the sensor ended with {:?}:\n{stderr}", self.ended);
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        assert!(
            log.is_empty() || log.ends_with('\n'),
            "the last line is not whole:\n{stderr}"
        );
        lines::keep(&log);
        let (internal, events) = self
            .lines()
            .iter()
            .map(|line| Event::parse(line))
            .partition(Event::is_internal);
        Seen {
            events,
            internal,
            stderr,
        }
    }

    /// Gives it other rules, and waits until they count.
    ///
    /// # Panics
    /// If it does not take them.
    pub fn reload(&self, rules: &str) {
        self.write_rules(rules);
        self.hang_up(": reloaded");
    }

    /// Replaces its rules file; it may not have noticed yet.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write_rules(&self, rules: &str) {
        fs::write(self.dir.path().join("rules.yaml"), rules).expect("the rules can be written");
    }

    /// Appends to its configuration file.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn append_to_configuration(&self, text: &str) {
        let path = self.dir.path().join("sensor.yaml");
        let before = fs::read_to_string(&path).expect("there is a configuration");
        fs::write(&path, before + text).expect("the configuration can be written");
    }

    /// Lets it read its files again, of which it must refuse one.
    ///
    /// # Panics
    /// If it takes them, or says nothing.
    pub fn reload_in_vain(&self) {
        self.hang_up(": not reloaded");
    }

    fn hang_up(&self, outcome: &str) {
        let outcomes = || self.stderr().matches(outcome).count();
        let before = outcomes();
        self.signal(Signal::HUP);
        assert!(
            wait_for(|| outcomes() > before),
            "the sensor did not say `{outcome}`:\n{}",
            self.stderr()
        );
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Some(pid), None) = (pid, self.ended) {
            let _ = kill_process(pid, signal);
        }
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.has_ended();
        self.ended
    }

    fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self
                .child
                .try_wait()
                .expect("a child can be asked for its status");
        }
        self.ended.is_some()
    }

    fn wait_until_ready(&mut self) {
        let ready = wait_for(|| {
            let said_so = self
                .stderr()
                .lines()
                .any(|line| line.ends_with(": ready") || line.contains("\"message\":\"ready\""));
            said_so || self.has_ended()
        });
        let stderr = self.stderr();
        assert!(
            self.ended.is_none(),
            "the sensor ended at its start, {:?}:\n{stderr}",
            self.ended
        );
        assert!(
            ready,
            "the sensor was not ready within {:?}:\n{stderr}",
            patience()
        );
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits for something to become true.
pub fn wait_for(mut is_so: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < patience() {
        if is_so() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}
