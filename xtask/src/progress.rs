//! Reports what a command is doing while it runs, so that the terminal is never silent for long.

use std::{
    collections::BTreeSet,
    fs,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use crate::shell::say;

/// Longest time without a line about what a command is doing.
const PERIOD: Duration = Duration::from_secs(14);
/// Most activities in one line.
const MOST: usize = 4;

/// Calls a function, and meanwhile prints every few seconds what the processes under `pid` are
/// doing.
pub(crate) fn beside<T>(pid: u32, wait: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (end, ended) = channel::<()>();
        scope.spawn(move || {
            let begin = Instant::now();
            while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                let seconds = begin.elapsed().as_secs();
                say(format_args!("… {seconds} s: {}", activities(pid)));
            }
        });
        let outcome = wait();
        drop(end);
        outcome
    })
}

/// What the processes under a process are doing, in words.
fn activities(pid: u32) -> String {
    let all = processes();
    let mut found = BTreeSet::new();
    let mut above = vec![pid];
    while let Some(parent) = above.pop() {
        let said = arguments(parent).map(|arguments| activity(&arguments));
        let children = all.iter().filter(|process| process.parent == parent);
        let children: Vec<_> = children.map(|process| process.pid).collect();
        // Without the children of a compiler or a test.
        let is_whole = said.as_ref().is_some_and(|said| said.contains(' '));
        if children.is_empty() || (is_whole && parent != pid) {
            found.extend(said);
        } else {
            above.extend(children);
        }
    }
    let more = if found.len() > MOST { ", …" } else { "" };
    let named: Vec<String> = found.into_iter().take(MOST).collect();
    if named.is_empty() {
        return "waiting".to_owned();
    }
    named.join(", ") + more
}

struct Process {
    pid: u32,
    parent: u32,
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let read = |name: String| {
        let pid = name.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        // The name in parentheses can contain blanks.
        let (_, rest) = stat.rsplit_once(") ")?;
        let parent = rest.split(' ').nth(1)?.parse().ok()?;
        Some(Process { pid, parent })
    };
    entries
        .filter_map(|entry| read(entry.file_name().into_string().ok()?))
        .collect()
}

fn arguments(pid: u32) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = bytes.split(|byte| *byte == 0);
    let words: Vec<_> = words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    (!words[0].is_empty()).then_some(words)
}

/// A command line in words: `compiling tokio`, or the program's name.
fn activity(arguments: &[String]) -> String {
    let mut words = arguments.iter();
    let program = words.next().map_or("", String::as_str);
    let program = program.rsplit('/').next().unwrap_or(program);
    if words.any(|word| word == "--crate-name")
        && let Some(name) = words.next()
    {
        return format!("compiling {name}");
    }
    // The name of a test program ends with the hash of its build.
    match program.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 => format!("testing {name}"),
        _ => program.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        process::Stdio,
    };

    use super::*;

    fn said(words: &[&str]) -> String {
        activity(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_compiler_is_shown_by_the_name_of_its_crate() {
        assert_eq!(
            said(&["/x/bin/rustc", "--crate-name", "tokio", "src/lib.rs"]),
            "compiling tokio"
        );
    }

    #[test]
    fn a_test_program_is_shown_without_its_hash() {
        assert_eq!(
            said(&["/x/deps/exec_argv-0123456789abcdef"]),
            "testing exec_argv"
        );
        assert_eq!(said(&["/usr/bin/apt-get", "update"]), "apt-get");
    }

    #[test]
    fn a_child_is_among_the_activities() {
        let mut shell = std::process::Command::new("sh");
        let mut shell = shell
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh can be started");
        let mut child = String::new();
        let pipe = shell.stdout.take().expect("it is piped");
        BufReader::new(pipe)
            .read_line(&mut child)
            .expect("the shell says a number");
        // Between fork and exec the child is a shell, and has no arguments for a moment.
        let deadline = Instant::now() + Duration::from_secs(10);
        let said = loop {
            let said = activities(shell.id());
            if said == "sleep" || Instant::now() > deadline {
                break said;
            }
            thread::sleep(Duration::from_millis(5));
        };
        std::process::Command::new("kill")
            .arg(child.trim())
            .status()
            .expect("kill can be started");
        shell.wait().expect("it is a child");
        assert_eq!(said, "sleep");
    }
}
