//! A program that gets the lines, through the helper process.

use std::{fs, path::Path};

use config::Config;
use outputs::{DropCause, OutputError, Outputs, program};
use telemetry::Identity;

use super::support::Bench;

/// Not a test: the helper process.
#[test]
#[ignore = "started by the tests of this module"]
fn helper_process() {
    if std::env::var_os("SENSOR_PROGRAM").is_some() {
        program::run_helper().unwrap();
    }
}

fn config(program: &str, keep_alive: bool) -> Config {
    // The test's program is not the sensor: another command runs the helper.
    program::HELPER.get_or_init(|| {
        let exe = std::env::current_exe().unwrap().into_os_string();
        let name = "output::program::helper_process";
        let words = [
            exe,
            "--exact".into(),
            name.into(),
            "--ignored".into(),
            "--nocapture".into(),
        ];
        words.to_vec()
    });
    let mut config = Config::default();
    config.stdout_output.enabled = false;
    config.program_output.enabled = true;
    config.program_output.keep_alive = keep_alive;
    config.program_output.program = program.into();
    config
}

fn script(dir: &Path, text: &str) -> String {
    let path = dir.join("program");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_program_that_is_kept_gets_every_line() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let program = script(
        dir.path(),
        &format!("echo start >>{0}; cat >>{0}", out.display()),
    );
    let mut bench = Bench::start(&config(&program, true));
    bench.lines(200);
    let counts = bench.stop();
    assert_eq!(counts.written, 200, "{counts:?}");
    let text = fs::read_to_string(out).unwrap();
    assert_eq!(text.matches("start").count(), 1);
    assert_eq!(text.matches("evt.num").count(), 200);
}

#[test]
fn a_queue_of_another_length_does_not_end_a_program_that_cannot_be_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let program = script(
        dir.path(),
        &format!("echo start >>{0}; cat >>{0}", out.display()),
    );
    let mut config = config(&program, true);
    let mut bench = Bench::start(&config);
    bench.lines(10);
    config.outputs_queue.capacity = 5000;
    config.buffered_outputs = true;
    bench.change(&config).unwrap();
    bench.lines(10);
    assert_eq!(bench.stop().written, 20);
    let text = fs::read_to_string(out).unwrap();
    assert_eq!(text.matches("start").count(), 1);
}

#[test]
fn a_program_is_started_for_each_line_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let program = script(
        dir.path(),
        &format!("echo start >>{0}; cat >>{0}", out.display()),
    );
    let mut bench = Bench::start(&config(&program, false));
    bench.lines(10);
    assert_eq!(bench.stop().written, 10);
    assert_eq!(
        fs::read_to_string(out).unwrap().matches("start").count(),
        10
    );
}

#[test]
fn a_program_that_cannot_be_started_any_more_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), "cat >/dev/null");
    let mut bench = Bench::start(&config(&program, false));
    bench.lines(3);
    bench.settle("program");
    fs::remove_file(program).unwrap();
    bench.lines(4);
    let counts = bench.stop();
    assert!(counts.balanced());
    assert_eq!(counts.written, 3);
    assert_eq!(counts.dropped[DropCause::Rejected as usize], 4);
}

#[test]
fn an_image_without_the_program_is_an_error_that_says_so() {
    let config = config("no-such-program --flag", true);
    let identity = std::sync::Arc::new(Identity::new(&config));
    let error = Outputs::start(&config, &identity).unwrap_err();
    assert!(matches!(error, OutputError::Program { .. }));
    assert!(
        error
            .to_string()
            .contains("there is no program 'no-such-program'"),
        "{error}"
    );
}

#[test]
fn a_command_line_with_a_pipe_is_read_by_a_shell() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let program = format!("cat | tr a-z A-Z >> '{}'", out.display());
    for keep_alive in [true, false] {
        let mut bench = Bench::start(&config(&program, keep_alive));
        bench.lines(20);
        assert_eq!(bench.stop().written, 20);
    }
    let text = fs::read_to_string(out).unwrap();
    assert_eq!(text.matches("EVT.NUM").count(), 40);
}
