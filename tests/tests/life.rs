//! Starts that must fail, and stops.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use sensor::{lifecycle, logging};
use tests::{Setup, programs, sensor::wait_for};

#[test]
fn an_unknown_key_stops_the_start_and_the_message_suggests_the_nearest_key() {
    let mut sensor = Command::new(programs::sensor());
    sensor.args(["-o", "sensor.fairness.rat=1", "-M", "60"]);
    let Output { status, stderr, .. } = sensor.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("sensor.fairness.rate"), "{stderr}");
}

#[test]
fn a_second_sensor_names_the_first_one_and_stops_while_the_first_one_goes_on() {
    let name = format!("life-{}", std::process::id());
    let first = Setup::watching(std::process::id())
        .option("sensor.instance", &name)
        .start();
    let mut second = Command::new(programs::sensor());
    second.args([
        "-r",
        concat!(env!("CARGO_MANIFEST_DIR"), "/harness/src/default.yaml"),
    ]);
    second.args(["-o", &format!("sensor.instance={name}"), "-M", "60"]);
    let Output { status, stderr, .. } = second.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    let reported = format!("another sensor runs already (pid {})", first.pid());
    assert!(stderr.contains(&reported), "{stderr}");
    first.stop().counters().assert_complete();
}

/// Not a test: a process in which a thread panics, and which is then stopped or not.
#[test]
#[ignore = "started by the tests of this module"]
fn panicking_process() {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let Ok(manner) = std::env::var("SENSOR_TEST_PANIC") else {
        return;
    };
    logging::start();
    lifecycle::set_patience(Duration::from_secs(1));
    lifecycle::install_panic_hook(|| ASKED.store(true, Relaxed));
    // As a task of the metadata threads does: nobody reads its result.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _forgotten = runtime.spawn(async { panic!("out of cheese") });
    assert!(wait_for(|| ASKED.load(Relaxed)));
    if manner == "hangs" {
        std::thread::sleep(Duration::from_mins(1));
    }
    std::process::exit(i32::from(lifecycle::panicked()));
}

/// Exit code and standard error of such a process, and how long it ran.
fn panicking(manner: &str) -> (Option<i32>, String, Duration) {
    let begin = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panicking_process", "--ignored", "--nocapture"])
        .env("SENSOR_TEST_PANIC", manner)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), stderr, begin.elapsed())
}

#[test]
fn a_panic_in_a_task_is_logged_and_ends_the_process() {
    for manner in ["stops", "hangs"] {
        let (code, stderr, took) = panicking(manner);
        assert_eq!(code, Some(1), "{manner}: {stderr}");
        assert!(
            stderr.contains("out of cheese; the sensor stops"),
            "{stderr}"
        );
        assert!(took < Duration::from_secs(30), "{manner}: {took:?}");
    }
}
