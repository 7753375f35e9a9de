//! What observers' tests need: a shell that does what a line says, and `sensor watch --json`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use harness::{Cgroup, Sensor, container, programs, sensor::wait_for};
use serde_json::Value;

/// Does what each line says, in the cgroup of a container if the line begins with `in`, and answers
/// when it is done.
const SCRIPT: &str = r#"
while read -r place what times mark; do
    (
        if [ "$place" = in ]; then echo 0 > "$0"; fi
        if [ "$what" = storm ]; then exec "$1" execs 2 "$times" "$mark" > /dev/null; fi
        i=0
        while [ $i -lt "$times" ]; do
            case "$what" in
                exec) /bin/true "$mark" $i ;;
                fail) /nowhere/"$mark" $i ;;
                connect) : > /dev/tcp/127.0.0.1/9 ;;
            esac
            i=$((i + 1))
        done
    ) 2> /dev/null
    echo
done
"#;

/// A shell whose process tree a sensor watches. Its children run on the host or in a cgroup that
/// looks like a container's.
pub struct Shell {
    child: Child,
    lines: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The id of the container.
    pub container: String,
    _cgroup: Cgroup,
}

impl Shell {
    /// Starts the shell, which does nothing yet.
    ///
    /// # Panics
    /// If no shell can be started.
    #[must_use]
    pub fn start() -> Self {
        let container = container::id();
        let cgroup = Cgroup::new(&container);
        let mut command = Command::new("/bin/bash");
        command.args(["-c", SCRIPT, &cgroup.procs()]);
        command.arg(programs::built("storm"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = programs::spawn(&mut command);
        let lines = child.stdin.take().expect("it is piped");
        let answers = child.stdout.take().expect("it is piped");
        Self {
            child,
            lines,
            answers: BufReader::new(answers),
            container,
            _cgroup: cgroup,
        }
    }

    /// The root of the tree.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Does something (`exec`, `fail`, `connect`, `storm`) that many times, `in` the container or
    /// `out` of it, and waits for the end. The mark is an argument, of a storm the program.
    ///
    /// # Panics
    /// If the shell has ended.
    pub fn run(&mut self, place: &str, what: &str, times: usize, mark: &str) {
        writeln!(self.lines, "{place} {what} {times} {mark}").expect("the shell reads");
        let mut answer = String::new();
        let read = self.answers.read_line(&mut answer);
        assert_eq!(read.expect("the shell answers"), 1, "{answer}");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sensor watch` for the sensor of a test.
#[must_use]
pub fn watch(sensor: &Sensor, arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::sensor());
    command.arg("watch").args(arguments);
    let folder = sensor.folder();
    let folder = folder.display();
    command.args(["-o", &format!("sensor.state_dir={folder}")]);
    command.args(["-o", &format!("sensor.instance=test{folder}")]);
    command
}

/// The path of a sensor's door.
///
/// # Panics
/// If the sensor has no door.
#[must_use]
pub fn door(sensor: &Sensor) -> PathBuf {
    let mut folders = vec![sensor.folder()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it can be read").flatten() {
            let path = entry.path();
            if path.ends_with("observers.sock") {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("no door:\n{}", sensor.stderr());
}

/// A running `sensor watch --json`.
pub struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    /// Starts it. It may attach a moment later.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command.arg("--json").stdout(Stdio::piped());
        let mut child = programs::spawn(&mut command);
        let out = child.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The process id of the observer.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The fields of the next event, if one comes in that time.
    ///
    /// # Panics
    /// If a line is no JSON.
    #[must_use]
    pub fn next(&self, time: Duration) -> Option<Value> {
        let line = self.lines.recv_timeout(time).ok()?;
        let mut line: Value = serde_json::from_str(&line).expect("JSON");
        Some(line["output_fields"].take())
    }

    /// Acts until an event comes: the observer has attached by then. Leaves out further events of
    /// the same kind.
    ///
    /// # Panics
    /// If no event comes.
    pub fn wait(&self, sensor: &Sensor, mut act: impl FnMut()) {
        let came = wait_for(|| {
            act();
            self.next(Duration::from_millis(200)).is_some()
        });
        assert!(came, "{}", sensor.stderr());
        while self.next(Duration::from_millis(500)).is_some() {}
    }

    /// That many events.
    ///
    /// # Panics
    /// If fewer come.
    #[must_use]
    pub fn events(&self, number: usize) -> Vec<Value> {
        let next = |at| {
            let event = self.next(Duration::from_mins(1));
            event.unwrap_or_else(|| panic!("{at} of {number} events"))
        };
        (0..number).map(next).collect()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
