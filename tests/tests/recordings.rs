//! Recordings of the real kernel, and observers of a running sensor.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{Setup, programs, sensor::wait_for};

/// Every exec of the machine, with what recordings must carry: programs, ancestors, users.
const RULES: &str = "
- rule: Execs
  desc: Every exec.
  condition: evt.type in (execve, execveat)
  output: >
    %evt.num %proc.cmdline %proc.exepath %proc.cwd %proc.aname[1] %proc.aname[2] %proc.aexepath[1]
    %proc.acmdline[2] %user.name %user.homedir %group.name %container.id %container.name %proc.tty
  priority: INFO
";

/// Executes a program a number of times, each time with the mark and its number.
fn execute(mark: &str, times: usize) {
    for number in 0..times {
        let status = programs::alone(|| {
            Command::new("/bin/true")
                .arg(mark)
                .arg(number.to_string())
                .status()
        });
        assert!(status.unwrap().success());
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_replay_of_a_recording_writes_the_lines_of_the_live_run() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (rules, recording, lines) = (path("rules.yaml"), path("night.rec"), path("lines.json"));
    fs::write(&rules, RULES).unwrap();
    let log = path("log");
    let mut record = Command::new(programs::sensor());
    record.args(["record", &recording, "--lines", "-M", "6", "-r", &rules]);
    for option in [
        "json_output=true",
        "stdout_output.enabled=false",
        "file_output.enabled=true",
        "sensor.kube.enabled=false",
    ] {
        record.args(["-o", option]);
    }
    record.args(["-o", &format!("file_output.filename={lines}")]);
    record.stderr(File::create(&log).unwrap());
    let mut running = Running(programs::spawn(&mut record));
    let ready = wait_for(|| fs::read_to_string(&log).unwrap().contains("ready"));
    assert!(ready, "{}", fs::read_to_string(&log).unwrap());
    let mark = format!("recorded-{}", std::process::id());
    execute(&mark, 300);
    assert!(running.0.wait().unwrap().success());
    let log = fs::read_to_string(&log).unwrap();
    assert!(!log.contains("not in it"), "{log}");

    let mut replay = Command::new(programs::sensor());
    replay.args(["replay", &recording, "-r", &rules, "-o", "json_output=true"]);
    let replayed = String::from_utf8(replay.output().unwrap().stdout).unwrap();
    let live = fs::read_to_string(&lines).unwrap();
    let live: Vec<_> = live
        .lines()
        .filter(|line| !line.contains("\"rule\":\"Sensor internal: "))
        .collect();
    assert_eq!(replayed.lines().collect::<Vec<_>>(), live);
    let marked = live.iter().filter(|line| line.contains(&mark)).count();
    assert_eq!(marked, 300);
}

/// How many eBPF programs and links a process holds.
fn programs_of(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    targets
        .filter(|target| {
            target.starts_with("anon_inode:bpf") || target == Path::new("anon_inode:[perf_event]")
        })
        .count()
}

#[test]
fn an_observer_sees_events_of_the_running_sensor_and_loads_no_program() {
    let sensor = Setup::of_the_machine().rules(RULES).start();
    let folder = sensor.rules_file().parent().unwrap().to_owned();
    let folder = folder.to_str().unwrap();
    let before = programs_of(sensor.pid());
    let mark = format!("watched-{}", std::process::id());
    let mut watch = Command::new(programs::sensor());
    watch.args(["watch", "--json", &format!("proc.args contains {mark}")]);
    watch.args(["-o", &format!("sensor.state_dir={folder}")]);
    watch.args(["-o", &format!("sensor.instance=test{folder}")]);
    watch.stdout(Stdio::piped());
    let mut watch = Running(programs::spawn(&mut watch));
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    // The observer may attach a moment later.
    let (found, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        if let Some(Ok(line)) = lines.next() {
            let _ = found.send(line);
        }
    });
    let mut line = None;
    let came = wait_for(|| {
        execute(&mark, 1);
        line = seen.try_recv().ok();
        line.is_some()
    });
    assert!(came, "{}", sensor.stderr());
    let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
    let fields = &event["output_fields"];
    assert_eq!(
        fields["proc.exepath"],
        "/bin/true".replace("/bin", &real_bin())
    );
    assert_eq!(fields["user.name"], "root");
    assert_eq!(programs_of(sensor.pid()), before);
    assert_eq!(programs_of(watch.0.id()), 0);
    drop(watch);
    sensor.stop().counters().assert_complete();
}

/// Where `/bin` leads.
fn real_bin() -> String {
    let path = fs::canonicalize("/bin").unwrap();
    path.to_str().unwrap().to_owned()
}
