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
use tests::{Scene, Setup, programs, sensor::wait_for};

#[test]
fn an_unknown_key_stops_a_strict_start_and_the_message_suggests_the_nearest_key() {
    let mut sensor = Command::new(programs::sensor());
    sensor.args(["-o", "sensor.strict_config=true"]);
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
    second.args(["-o", "sensor.state_dir="]);
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

#[test]
fn no_error_names_a_file_or_a_name_twice() {
    let scene = Scene::new();
    let path = |name: &str| scene.text(name);
    let wrong = "- {rule: Shell, desc: d, condition: proc.nam = sh, output: o, priority: INFO}";
    std::fs::write(path("wrong.yaml"), wrong).unwrap();
    std::fs::write(path("no.yaml"), "a: [").unwrap();
    std::fs::write(path("cert.pem"), "no certificate").unwrap();
    let option = |text: String| vec!["-o".to_owned(), text];
    let gone = path("gone/x");
    let cases = [
        (vec!["-c".into(), path("gone.yaml")], path("gone.yaml")),
        (vec!["-c".into(), path("no.yaml")], path("no.yaml")),
        (vec!["-r".into(), path("gone.yaml")], path("gone.yaml")),
        (vec!["-r".into(), path("wrong.yaml")], path("wrong.yaml")),
        (vec!["-V".into(), path("gone.yaml")], path("gone.yaml")),
        (
            vec!["-L".into(), "-r".into(), path("wrong.yaml")],
            "proc.nam'".into(),
        ),
        (
            vec!["-l".into(), "no-such-rule".into()],
            "no-such-rule".into(),
        ),
        (vec!["-P".into(), gone.clone()], gone.clone()),
        (
            [
                option("sensor.strict_config=true".into()),
                option("no_such_key=1".into()),
            ]
            .concat(),
            "'no_such_key'".into(),
        ),
        (option(format!("sensor.proc_root={gone}")), gone.clone()),
        (
            option("webserver.listen_address=192.0.2.1".into()),
            "192.0.2.1".into(),
        ),
        (
            [
                option("webserver.ssl_enabled=true".into()),
                option(format!("webserver.ssl_certificate={}", path("cert.pem"))),
            ]
            .concat(),
            path("cert.pem"),
        ),
    ];
    for (arguments, name) in cases {
        let mut command = Command::new(programs::sensor());
        command.args(["-o", "config_files=[]", "-M", "5", "-o", "log_syslog=false"]);
        command.args([
            "-o",
            &format!("sensor.state_dir={}", path("state")),
            "-o",
            &format!("sensor.instance={}", path("lock")),
            "-o",
            "webserver.listen_port=0",
        ]);
        let output = programs::alone(|| command.args(&arguments).output()).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        let said = error.lines().skip_while(|line| !line.contains("Error"));
        let said: String = said.collect::<Vec<_>>().join("\n");
        assert_eq!(said.matches(&name).count(), 1, "{arguments:?}: {said}");
    }
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
