//! `sensor record` and `sensor replay` as children of a test.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output},
};

use harness::{programs, sensor::wait_for};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A sensor that records, with the lines that it writes meanwhile.
#[derive(Debug)]
pub struct Recorder {
    sensor: Child,
    folder: TempDir,
}

/// What a sensor has recorded.
#[derive(Debug)]
pub struct Recorded {
    folder: TempDir,
    /// The lines that the sensor wrote, but for those about its file.
    pub lines: Vec<String>,
    /// The log of the sensor.
    pub log: String,
}

impl Recorder {
    /// Starts a sensor that records the events that rules want.
    ///
    /// # Panics
    /// If the sensor does not become ready.
    #[must_use]
    pub fn start(rules: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("rules.yaml"), rules).expect("the rules can be written");
        let mut record = Command::new(programs::sensor());
        record.arg("record").arg(path("events.rec")).arg("--lines");
        record.arg("-r").arg(path("rules.yaml"));
        let lines = format!("file_output.filename={}", path("lines.json").display());
        let own = [
            "json_output=true",
            "stdout_output.enabled=false",
            "file_output.enabled=true",
            "sensor.file_output.rotate.size=0",
            &lines,
        ];
        for option in own.iter().chain(options) {
            record.args(["-o", option]);
        }
        record.stderr(File::create(path("log")).expect("a log can be made"));
        let sensor = programs::spawn(&mut record);
        let recorder = Self { sensor, folder };
        assert!(
            recorder.wait_for_log(": ready"),
            "not ready: {}",
            recorder.log()
        );
        recorder
    }

    /// Waits until the log has a text; returns whether it came in time.
    #[must_use]
    pub fn wait_for_log(&self, text: &str) -> bool {
        wait_for(|| self.log().contains(text))
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Whether a line so far has all these texts.
    #[must_use]
    pub fn has_line(&self, texts: &[&str]) -> bool {
        let lines = fs::read_to_string(self.folder.path().join("lines.json"));
        let lines = lines.unwrap_or_default();
        let mut lines = lines.lines();
        lines.any(|line| texts.iter().all(|text| line.contains(text)))
    }

    /// Changes the rules, and waits until they are in force.
    ///
    /// # Panics
    /// If the sensor refuses them.
    pub fn reload(&self, rules: &str) {
        fs::write(self.folder.path().join("rules.yaml"), rules).expect("the rules can be written");
        let reloads = |log: &str| log.matches(": reloaded").count();
        let before = reloads(&self.log());
        self.signal(Signal::HUP);
        let reloaded = wait_for(|| reloads(&self.log()) > before);
        assert!(reloaded, "{}", self.log());
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.sensor.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has a pid"), signal).expect("the sensor runs");
    }

    /// Ends the recording.
    ///
    /// # Panics
    /// If the sensor fails, or the recording lacks events.
    #[must_use]
    pub fn stop(mut self) -> Recorded {
        self.signal(Signal::TERM);
        let status = self.sensor.wait().expect("the sensor is a child");
        let log = self.log();
        assert!(status.success() && !log.contains("not in it"), "{log}");
        let lines = fs::read_to_string(self.folder.path().join("lines.json"));
        let of_the_file = |line: &&str| {
            let own = ["start", "stop"].map(|name| format!("\"rule\":\"Sensor internal: {name}\""));
            own.iter().any(|own| line.contains(own))
        };
        let lines = lines.expect("the sensor has written lines");
        let lines = lines.lines().filter(|line| !of_the_file(line));
        Recorded {
            lines: lines.map(str::to_owned).collect(),
            folder: std::mem::replace(
                &mut self.folder,
                tempfile::tempdir().expect("a temporary directory can be made"),
            ),
            log,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.sensor.kill();
        let _ = self.sensor.wait();
    }
}

impl Recorded {
    /// A path beside the recording.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The recording.
    #[must_use]
    pub fn recording(&self) -> PathBuf {
        self.path("events.rec")
    }

    /// The lines of a replay of the recording.
    ///
    /// # Panics
    /// If the replay fails.
    #[must_use]
    pub fn replay(&self, rules: &str) -> Vec<String> {
        replay(&self.recording(), rules)
    }
}

/// The lines of a replay of a recording.
///
/// # Panics
/// If the replay fails.
#[must_use]
pub fn replay(recording: &Path, rules: &str) -> Vec<String> {
    let output = replayed(recording, rules);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let lines = String::from_utf8(output.stdout).expect("lines are UTF-8");
    lines.lines().map(str::to_owned).collect()
}

/// What a replay of a recording writes.
///
/// # Panics
/// If the replay cannot start.
#[must_use]
pub fn replayed(recording: &Path, rules: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let file = folder.path().join("rules.yaml");
    fs::write(&file, rules).expect("the rules can be written");
    let mut replay = Command::new(programs::sensor());
    replay.arg("replay").arg(recording).arg("-r").arg(&file);
    replay.args(["-o", "json_output=true"]);
    programs::alone(|| replay.output()).expect("the sensor can be run")
}
