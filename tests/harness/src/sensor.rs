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

use crate::{cgroup::Cgroup, event::Event, figures::cpu_time, lines, programs, rights, seen::Seen};

/// Time limit for a start or a stop before the test fails (an emulated machine is slow:
/// `SENSOR_TEST_PATIENCE` in seconds). `cargo xtask bench` measures the times that the project
/// promises.
fn patience() -> Duration {
    let seconds = std::env::var("SENSOR_TEST_PATIENCE")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}
/// The sensor stops by itself after this time, even if the test has ended before.
const LONGEST: Duration = Duration::from_mins(10);

/// The settings with which a test starts a sensor.
#[derive(Clone, Debug)]
pub struct Setup {
    rules: String,
    options: Vec<String>,
    capabilities: Option<Vec<u32>>,
    log: Option<PathBuf>,
    cgroup: Option<String>,
    variables: Vec<(String, String)>,
    longest: Duration,
    program: Option<PathBuf>,
}

impl Setup {
    /// A sensor that observes only one process tree.
    #[must_use]
    pub fn watching(root: u32) -> Self {
        Self::of_the_machine()
            .option("sensor.capture.tree.mode", "only")
            .option("sensor.capture.tree.root", root)
    }

    /// A sensor that observes the whole machine except itself, as in production.
    #[must_use]
    pub fn of_the_machine() -> Self {
        Self {
            rules: include_str!("rules.yaml").to_owned(),
            options: Vec::new(),
            capabilities: None,
            log: None,
            cgroup: None,
            variables: Vec::new(),
            longest: LONGEST,
            program: None,
        }
    }

    /// Limits the sensor to these capabilities, by their numbers.
    #[must_use]
    pub fn with_capabilities(self, capabilities: impl IntoIterator<Item = u32>) -> Self {
        Self {
            capabilities: Some(capabilities.into_iter().collect()),
            ..self
        }
    }

    /// Starts the sensor in a cgroup.
    #[must_use]
    pub fn within(self, cgroup: &Cgroup) -> Self {
        Self {
            cgroup: Some(cgroup.procs()),
            ..self
        }
    }

    /// Writes to that file.
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

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs this build of the sensor instead of the one of [`programs::sensor`].
    #[must_use]
    pub fn program(self, path: PathBuf) -> Self {
        let program = Some(path);
        Self { program, ..self }
    }

    /// Stops the sensor after that time, instead of ten minutes.
    #[must_use]
    pub fn at_most(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Replaces the rules; by default they show every exec with all of its fields.
    #[must_use]
    pub fn rules(self, rules: &str) -> Self {
        Self {
            rules: rules.to_owned(),
            ..self
        }
    }

    /// Starts the sensor and waits until it sees events. (It may not be ready yet: a test may
    /// withhold what readiness needs.)
    ///
    /// # Panics
    /// If the sensor does not start; the message has its standard error.
    #[must_use]
    pub fn start(self) -> Sensor {
        let mut sensor = self.launch();
        sensor.wait_until_started();
        sensor
    }

    /// Starts the sensor, and does not wait for anything.
    ///
    /// # Panics
    /// If its files cannot be written.
    #[must_use]
    pub fn launch(self) -> Sensor {
        assert!(
            geteuid().is_root(),
            "these tests load eBPF programs: run them as root, or by `cargo xtask test`"
        );
        let mut setup = self;
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        // Only one sensor runs on a node, so each test sensor has a lock with its own name. A
        // process id is not enough for the name: there is one such lock in a network namespace,
        // which two pid namespaces can share.
        let instance = dir.path().display();
        setup.options.splice(
            0..0,
            [
                format!("sensor.instance=test{instance}"),
                format!("sensor.state_dir={instance}"),
            ],
        );
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

        let program = setup.program.unwrap_or_else(programs::sensor);
        let mut command = match &setup.cgroup {
            None => Command::new(program),
            Some(procs) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", "echo 0 > \"$0\" && exec \"$@\"", procs]);
                shell.arg(program);
                shell
            }
        };
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
        command.envs(setup.variables);
        let child = programs::spawn(&mut command);
        Sensor {
            child,
            ended: None,
            log,
            dir,
        }
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
    /// The process id of the sensor.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder: configuration, rules, output and state.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// The path of its rule file.
    #[must_use]
    pub fn rules_file(&self) -> PathBuf {
        self.dir.path().join("rules.yaml")
    }

    /// Its standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        let bytes = fs::read(self.dir.path().join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The whole lines that it has written so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.split_inclusive('\n');
        let whole = lines.filter_map(|line| line.strip_suffix('\n'));
        whole.map(str::to_owned).collect()
    }

    /// The bytes that it has written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    /// Waits until the sensor has been idle for a moment: no event waits in its buffers.
    pub fn settle(&self) {
        let cpu = || cpu_time(self.pid()).unwrap_or_default();
        let mut last = cpu();
        wait_for(|| {
            thread::sleep(Duration::from_millis(50));
            let before = std::mem::replace(&mut last, cpu());
            last.saturating_sub(before) < Duration::from_micros(500)
        });
    }

    /// Stops the sensor with TERM; the sensor writes the lines that still wait.
    ///
    /// # Panics
    /// If the sensor does not stop in time, or exits with another code than 0.
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

    /// Replaces the rules, and waits until the sensor has loaded them.
    ///
    /// # Panics
    /// If the sensor refuses them.
    pub fn reload(&self, rules: &str) {
        self.write_rules(rules);
        self.hang_up(": reloaded");
    }

    /// Replaces the rule file; the sensor may not have noticed it yet when this returns.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write_rules(&self, rules: &str) {
        fs::write(self.dir.path().join("rules.yaml"), rules).expect("the rules can be written");
    }

    /// Appends to the configuration file of the sensor.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn append_to_configuration(&self, text: &str) {
        let path = self.dir.path().join("sensor.yaml");
        let before = fs::read_to_string(&path).expect("there is a configuration");
        fs::write(&path, before + text).expect("the configuration can be written");
    }

    /// Reloads the sensor, which must refuse a file.
    ///
    /// # Panics
    /// If the sensor accepts the files, or logs nothing.
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

    /// Sends a signal to the sensor.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Some(pid), None) = (pid, self.ended) {
            let _ = kill_process(pid, signal);
        }
    }

    /// The exit status, if the sensor has ended.
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

    fn wait_until_started(&mut self) {
        let started = wait_for(|| {
            let said_so = self
                .stderr()
                .lines()
                .any(|line| line.contains("rights given up") || line.contains("not all rights"));
            said_so || self.has_ended()
        });
        let stderr = self.stderr();
        assert!(
            self.ended.is_none(),
            "the sensor ended at its start, {:?}:\n{stderr}",
            self.ended
        );
        assert!(
            started,
            "the sensor had not started within {:?}:\n{stderr}",
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

/// Waits until a condition is true; returns whether it became true in time.
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
