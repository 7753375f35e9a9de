//! Recordings that rules start, with falco.yaml's keys.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;
use tests::{Cgroup, Sensor, Setup, container, programs, recorder::replay, sensor::wait_for};

use crate::execute;

/// A mark in the arguments of the execs of one test: tests run at the same time.
fn mark(test: &str) -> String {
    format!("{test}-{}-", std::process::id())
}

/// A rule that starts a recording for a second and a half, and one that records nothing.
fn rules(mark: &str) -> String {
    format!(
        "
- rule: Trigger
  desc: An exec that starts a recording.
  condition: evt.type = execve and proc.args startswith {mark}trigger
  output: '%evt.num %proc.args %proc.aname[1] %user.name'
  priority: INFO
  capture: true
  capture_duration: 1500
- rule: Others
  desc: All other execs of the test.
  condition: evt.type = execve and proc.args startswith {mark}
  output: '%evt.num %proc.args %proc.aname[1] %user.name'
  priority: INFO
"
    )
}

fn setup(folder: &TempDir, mark: &str) -> Setup {
    Setup::of_the_machine()
        .rules(&rules(mark))
        .option("capture.enabled", true)
        .option("capture.default_duration", 300)
        .option("capture.path_prefix", folder.path().join("c").display())
}

/// The recordings so far, in the order of their names.
fn recordings(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn wait_for_ends(sensor: &Sensor, count: usize) {
    let ends = || {
        sensor
            .stderr()
            .matches("a rule started the recording")
            .count()
    };
    assert!(wait_for(|| ends() >= count), "{}", sensor.stderr());
}

/// The lines with a mark, in order.
fn marked<'l>(lines: &'l [String], mark: &str) -> Vec<&'l String> {
    lines.iter().filter(|line| line.contains(mark)).collect()
}

#[test]
fn a_rule_with_capture_records_from_its_match_on_for_its_duration() {
    let folder = TempDir::new().unwrap();
    let mark = mark("from");
    let sensor = setup(&folder, &mark).start();
    execute(&format!("{mark}before"), 3);
    assert!(wait_for(|| marked(&sensor.lines(), &mark).len() == 3));
    assert!(recordings(folder.path()).is_empty(), "no rule asked");
    execute(&format!("{mark}trigger"), 1);
    execute(&format!("{mark}within"), 20);
    wait_for_ends(&sensor, 1);
    execute(&format!("{mark}after"), 3);
    assert!(wait_for(
        || marked(&sensor.lines(), &mark).len() == 3 + 1 + 20 + 3
    ));
    execute(&format!("{mark}trigger-again"), 1);
    wait_for_ends(&sensor, 2);
    let seen = sensor.stop();
    let files = recordings(folder.path());
    assert_eq!(files.len(), 2, "{files:?}\n{}", seen.stderr);
    let lines: Vec<String> = seen
        .events
        .iter()
        .map(|event| event.0.to_string())
        .collect();
    let lines = marked(&lines, &mark);
    let played = replay(&files[0], &rules(&mark));
    let played: Vec<Value> = marked(&played, &mark)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected: Vec<Value> = lines[3..24]
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(played, expected);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    let form = Regex::new(r"^c_(\d{20})_(\d{20})\.rec$").unwrap();
    let parts = form.captures(name).unwrap();
    let number: u64 = parts[2].parse().unwrap();
    assert_eq!(expected[0]["output_fields"]["evt.num"], number);
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&files[0]).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn in_mode_all_rules_each_rule_starts_a_recording_and_each_match_prolongs_it() {
    let folder = TempDir::new().unwrap();
    let mark = mark("all");
    let sensor = setup(&folder, &mark)
        .option("capture.mode", "all_rules")
        .start();
    // Longer than the default duration together, and no pause is as long.
    for _ in 0..8 {
        execute(&format!("{mark}any"), 1);
        thread::sleep(Duration::from_millis(100));
    }
    wait_for_ends(&sensor, 1);
    let seen = sensor.stop();
    let files = recordings(folder.path());
    assert_eq!(files.len(), 1, "{}", seen.stderr);
    assert_eq!(marked(&replay(&files[0], &rules(&mark)), &mark).len(), 8);
}

#[test]
fn without_capture_enabled_no_rule_records() {
    let folder = TempDir::new().unwrap();
    let mark = mark("off");
    let sensor = setup(&folder, &mark)
        .option("capture.enabled", false)
        .start();
    execute(&format!("{mark}trigger"), 1);
    assert!(wait_for(|| marked(&sensor.lines(), &mark).len() == 1));
    let seen = sensor.stop();
    assert!(recordings(folder.path()).is_empty(), "{}", seen.stderr);
}

#[test]
fn a_recording_in_progress_is_whole_after_the_end_of_the_sensor() {
    let folder = TempDir::new().unwrap();
    let mark = mark("end");
    let sensor = setup(&folder, &mark).start();
    execute(&format!("{mark}trigger"), 5);
    assert!(wait_for(|| marked(&sensor.lines(), &mark).len() == 5));
    let seen = sensor.stop();
    let files = recordings(folder.path());
    assert_eq!(files.len(), 1, "{}", seen.stderr);
    assert_eq!(marked(&replay(&files[0], &rules(&mark)), &mark).len(), 5);
}

#[test]
fn a_recording_that_cannot_be_written_is_a_warning_and_lines_go_on() {
    let folder = TempDir::new().unwrap();
    let mark = mark("bad");
    let prefix = folder.path().join("none/c");
    let sensor = setup(&folder, &mark)
        .option("capture.path_prefix", prefix.display())
        .start();
    execute(&format!("{mark}trigger"), 5);
    let warned = || {
        sensor
            .stderr()
            .contains("which cannot be written: No such file")
    };
    assert!(wait_for(warned), "{}", sensor.stderr());
    assert!(wait_for(|| marked(&sensor.lines(), &mark).len() == 5));
    sensor.stop().counters().assert_complete();
}

#[test]
fn a_recording_ends_at_its_largest_size_and_the_next_match_starts_another() {
    let folder = TempDir::new().unwrap();
    let id = container::id();
    let rules = format!(
        "
- rule: Connects
  desc: Connects of a storm.
  condition: evt.type = connect and container.id = {}
  output: '%evt.num'
  priority: INFO
  capture: true
",
        &id[..12]
    );
    let sensor = setup(&folder, "")
        .rules(&rules)
        .option("capture.max_file_size_mb", 1)
        .option("sensor.fairness.enabled", false)
        .start();
    let cgroup = Cgroup::new(&format!("docker-{id}.scope"));
    let mut storm = Command::new(programs::built("storm"));
    storm.args(["connects", "1", "60000", "--cgroup", &cgroup.procs()]);
    let status = programs::alone(|| storm.output());
    assert!(status.unwrap().status.success());
    wait_for_ends(&sensor, 2);
    let limit = "Falco internal: capture size limit reached";
    assert!(wait_for(|| sensor
        .lines()
        .iter()
        .any(|line| line.contains(limit))));
    let seen = sensor.stop();
    let files = recordings(folder.path());
    assert!(files.len() >= 2, "{files:?}\n{}", seen.stderr);
    let size = fs::metadata(&files[0]).unwrap().len();
    assert!((1_000_000..3_000_000).contains(&size), "{size}");
    assert!(replay(&files[0], &rules).len() > 10_000);
}
