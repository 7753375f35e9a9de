//! Recordings of the real kernel.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod recordings {
    mod captures;
    mod cases;
    mod cut;
    mod own_records;
    mod storm;
}

use std::process::Command;

use tests::{programs, recorder::Recorder};

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

#[test]
fn a_replay_of_a_recording_writes_the_lines_of_the_live_run() {
    let live = Recorder::start(RULES, &["sensor.kube.enabled=false"]);
    let mark = format!("recorded-{}", std::process::id());
    execute(&mark, 300);
    let recorded = live.stop();
    assert_eq!(recorded.replay(RULES), recorded.lines);
    let marked = recorded.lines.iter().filter(|line| line.contains(&mark));
    assert_eq!(marked.count(), 300);
}
