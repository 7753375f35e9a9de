//! Standard output as a pipe that nobody reads, or that is closed. A child process runs these
//! tests, because they replace its standard output.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    time::Duration,
};

use config::Config;

use super::support::Bench;

/// Not a test: the child process.
#[test]
#[ignore = "started by the tests of this module"]
fn stdout_process() {
    if std::env::var_os("SENSOR_TEST_STDOUT").is_none() {
        return;
    }
    let mut config = Config::default();
    config.outputs_queue.capacity = 1000;
    let mut bench = Bench::start(&config);
    let longest = bench.storm(5000, Duration::from_secs(1));
    let counts = bench.stop_within(Duration::from_millis(500));
    assert!(counts.balanced());
    eprintln!(
        "counts {} {} {} {}",
        counts.written,
        counts.dropped_total(),
        counts.spooled,
        longest.as_millis()
    );
}

fn child() -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "output::stdout::stdout_process",
            "--ignored",
            "--nocapture",
        ])
        .env("SENSOR_TEST_STDOUT", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Written, dropped, spooled, longest pass in milliseconds.
fn counts(stderr: impl Read) -> [u64; 4] {
    for line in BufReader::new(stderr).lines() {
        let line = line.unwrap();
        if let Some(numbers) = line.strip_prefix("counts ") {
            let numbers: Vec<u64> = numbers.split(' ').map(|n| n.parse().unwrap()).collect();
            return numbers.try_into().unwrap();
        }
    }
    panic!("no counts");
}

#[test]
fn a_pipe_that_is_read_gets_every_line() {
    let mut child = child();
    let mut text = String::new();
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        BufReader::new(stdout).read_to_string(&mut text).unwrap();
        text
    });
    let [written, dropped, ..] = counts(child.stderr.take().unwrap());
    let text = reader.join().unwrap();
    assert_eq!(dropped, 0);
    assert_eq!(text.matches("\"evt.num\":").count() as u64, written);
    child.wait().unwrap();
}

#[test]
fn a_pipe_that_nobody_reads_delays_nothing_else_and_its_lines_are_counted() {
    let mut child = child();
    let mut stdout = child.stdout.take().unwrap();
    let [written, dropped, spooled, longest] = counts(child.stderr.take().unwrap());
    assert!(longest < 200, "capture was held up for {longest} ms");
    assert!(dropped > 2000 && spooled == 0);
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    let lines = text
        .lines()
        .filter(|l| l.ends_with('}') && l.contains("\"evt.num\":"));
    assert_eq!(lines.count() as u64, written);
    child.wait().unwrap();
}

#[test]
fn a_closed_pipe_is_counted() {
    let mut child = child();
    // The test harness in the child does not survive a pipe that is closed at once.
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("evt.num") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    let [_, dropped, spooled, _] = counts(child.stderr.take().unwrap());
    assert!(dropped > 2000 && spooled == 0, "{dropped}");
    child.wait().unwrap();
}
