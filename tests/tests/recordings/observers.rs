//! Observers of a running sensor.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tests::{Setup, programs, sensor::wait_for};

use crate::{RULES, execute};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
