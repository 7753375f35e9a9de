//! How long `sensor watch` takes to its first event: a test program of its own, so that no other test
//! takes the CPUs meanwhile.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{
    process::Command,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tests::{
    Setup,
    observer::{self, Watching},
    programs,
};

/// The promise.
const MOST: Duration = Duration::from_secs(2);
/// One test at a time.
static CPUS: Mutex<()> = Mutex::new(());
/// The rules of the sensor that runs: none of them wants an event of the host.
const RULES: &str = "- rule: Execs\n  desc: Execs in containers.\n  condition: evt.type = execve and container.id != host\n  output: '%proc.cmdline'\n  priority: INFO\n";

/// How long an observer takes from its start to its first event.
fn until_the_first_event(command: Command) -> Duration {
    let begun = Instant::now();
    let watching = Watching::start(command);
    loop {
        let status = programs::alone(|| Command::new("/bin/true").status());
        assert!(status.unwrap().success());
        if watching.next(Duration::from_millis(10)).is_some() {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "no event");
    }
}

#[test]
fn the_first_event_comes_within_two_seconds_of_the_start_without_a_sensor() {
    let _cpus = CPUS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(programs::sensor());
    let state = format!("sensor.state_dir={}", folder.path().display());
    command.args(["watch", "-o", &state]);
    let took = until_the_first_event(command);
    assert!(took <= MOST, "{took:?}");
}

#[test]
fn the_first_event_comes_within_two_seconds_of_the_attachment_to_a_sensor() {
    let _cpus = CPUS.lock().unwrap_or_else(PoisonError::into_inner);
    let sensor = Setup::of_the_machine().rules(RULES).start();
    let took = until_the_first_event(observer::watch(&sensor, &[]));
    assert!(took <= MOST, "{took:?}");
    sensor.stop().counters().assert_complete();
}
