//! `sensor watch` on a terminal and in a pipe.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{fs, process::Command};

use tempfile::TempDir;
use tests::{programs, sensor::wait_for, terminal::Terminal};

/// A folder with a file of that many lines; the last line is no event.
fn lines(events: usize) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("events.json");
    let mut text = String::new();
    for number in 0..events {
        let fields = serde_json::json!({"time": "2026-01-31T12:00:00.000000000Z", "rule": "Execs",
            "output_fields": {"evt.type": "execve", "proc.name": "sh", "proc.pid": number,
            "proc.cmdline": format!("sh 日本\u{1b}[2J\n{}; end {number};", "wide 日本 ".repeat(20)),
            "k8s.pod.name": if number % 2 == 0 { "even" } else { "odd" }}});
        text += &fields.to_string();
        text.push('\n');
    }
    text += "no event\n";
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn watch(arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::sensor());
    command.arg("watch").args(arguments);
    command
}

/// Waits until a text is on the screen; the sensor writes only what has changed there.
fn see(terminal: &Terminal, text: &str) {
    let is_there = || terminal.look().text().contains(text);
    let seen = wait_for(is_there);
    assert!(seen, "no `{text}`:\n{}", terminal.look().text());
}

#[test]
fn in_a_pipe_the_lines_that_match_are_written_as_they_are() {
    let (_folder, path) = lines(100);
    let arguments = ["proc.name = sh and proc.pid >= 90", "--pod", "odd", &path];
    let output = programs::alone(|| watch(&arguments).output()).unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let expected: Vec<_> = text.lines().skip(91).step_by(2).take(5).collect();
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("1 lines are no events"), "{error}");
}

#[test]
fn a_condition_with_a_mistake_is_refused_with_its_place() {
    let (_folder, path) = lines(1);
    let output = programs::alone(|| watch(&["proc.nam = sh", &path]).output()).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("proc.nam") && error.contains("proc.name"),
        "{error}"
    );
}

#[test]
fn on_a_terminal_every_row_is_whole_and_the_keys_work() {
    let (_folder, path) = lines(20_000);
    let terminal = Terminal::start(watch(&[&path]));
    see(&terminal, "20000 events");
    let rows = terminal.look().rows();
    assert_eq!(rows.len(), 24, "{rows:#?}");
    assert!(rows[0].starts_with("TIME"), "{rows:#?}");
    assert!(
        rows[1..23].iter().all(|row| row.starts_with("12:00:00")),
        "{rows:#?}"
    );
    assert!(terminal.look().broken().is_empty());
    terminal.type_in("\r");
    see(&terminal, "FIELD AND VALUE");
    terminal.type_in("qT");
    see(&terminal, "EVENTS/S");
    terminal.type_in("t");
    see(&terminal, "BELOW THE EXEC");
    terminal.type_in("q");
    let (status, _) = terminal.end();
    assert!(status.success());
}

#[test]
fn sigterm_leaves_the_terminal_as_it_was() {
    let (_folder, path) = lines(10);
    let terminal = Terminal::start(watch(&[&path]));
    see(&terminal, "10 events");
    let pid = rustix::process::Pid::from_raw(terminal.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (status, screen) = terminal.end();
    assert!(status.success());
    assert!(!screen.text().contains("TIME"), "{}", screen.text());
}
