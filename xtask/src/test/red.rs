//! Failed tests and the commands that repeat them, read from the output of cargo and of the tests.

use std::{
    io::{BufRead as _, BufReader, Write as _, pipe},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    progress,
    shell::{say, shown},
};

/// A test that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedTest {
    /// The name of the test, with that of its test program.
    pub(crate) name: String,
    /// The command that repeats the test.
    pub(crate) repeat: String,
}

/// Runs `cargo test …` with the output of this process, and notes the failed tests.
///
/// # Errors
/// If a test failed, or the command could not run.
pub(super) fn run_tests(mut command: Command, red: &mut Vec<FailedTest>) -> Result<()> {
    let text = shown(&command);
    say(format_args!("$ {text}"));
    let (output, ours) = pipe()?;
    // Tests print failures to standard output, cargo to standard error: one pipe for both keeps the
    // order of the lines.
    command.stdout(ours.try_clone()?).stderr(ours);
    command.stdin(Stdio::null());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {text}"))?;
    // The command also has the other end of the pipe.
    drop(command);
    let mut reader = Reader::default();
    let status = progress::beside(child.id(), || {
        let mut stdout = std::io::stdout();
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            writeln!(stdout, "{line}")?;
            reader.line(&line);
        }
        child.wait()
    })?;
    red.extend(reader.red);
    ensure!(status.success(), "{text} ended with {status}");
    Ok(())
}

#[derive(Default)]
struct Reader {
    /// Failed tests of the current test program.
    failed: Vec<String>,
    red: Vec<FailedTest>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(name) = failed_test(line) {
            self.failed.push(name.to_owned());
        } else if let Some(target) = failed_program(line) {
            let package = target.trim_start_matches("-p ");
            let name = target
                .split_once(" --test ")
                .map_or(package, |(_, name)| name);
            // The command selects all packages, see `workspace_cargo`.
            let chosen = target.split_once(' ').map_or("", |(_, rest)| rest);
            let chosen = chosen.split_once(' ').map_or("", |(_, chosen)| chosen);
            let repeat = format!("cargo test --locked --workspace {chosen}");
            if self.failed.is_empty() {
                let name = format!("{name} (ended before its tests did)");
                self.red.push(FailedTest { name, repeat });
            } else {
                let one = |test: String| FailedTest {
                    name: format!("{name}: {test}"),
                    repeat: format!("{repeat} -- --exact {test}"),
                };
                self.red.extend(self.failed.drain(..).map(one));
            }
        }
    }
}

/// The test of a line `test NAME ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(name.strip_suffix(" - should panic").unwrap_or(name))
}

/// The arguments in cargo's line about repeating a test program.
fn failed_program(line: &str) -> Option<&str> {
    let (_, rest) = line
        .split_once("error: ")?
        .1
        .split_once("to rerun pass `")?;
    rest.strip_suffix('`')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<FailedTest> {
        let mut reader = Reader::default();
        for line in lines {
            reader.line(line);
        }
        reader.red
    }

    #[test]
    fn a_failed_test_has_its_program_and_the_command_that_repeats_it() {
        let red = read(&[
            "     Running tests/life.rs (target/debug/deps/life-0123456789abcdef)",
            "test it_lives ... ok",
            "test it_ends ... FAILED",
            "test it_panics - should panic ... FAILED",
            "error: test failed, to rerun pass `-p tests --test life`",
        ]);
        let names: Vec<_> = red.iter().map(|red| red.name.as_str()).collect();
        assert_eq!(names, ["life: it_ends", "life: it_panics"]);
        assert_eq!(
            red[0].repeat,
            "cargo test --locked --workspace --test life -- --exact it_ends"
        );
    }

    #[test]
    fn a_program_that_ends_early_is_red_itself() {
        let red = read(&["error: test failed, to rerun pass `-p sensor --lib`"]);
        assert_eq!(red[0].name, "sensor --lib (ended before its tests did)");
        assert_eq!(red[0].repeat, "cargo test --locked --workspace --lib");
    }

    #[test]
    fn tests_of_another_program_are_not_taken_for_those_of_a_failed_one() {
        let red = read(&[
            "test a::b ... FAILED",
            "error: test failed, to rerun pass `-p sensor --lib`",
            "test c ... FAILED",
            "error: test failed, to rerun pass `-p tests --test output`",
        ]);
        let names: Vec<_> = red.iter().map(|red| red.name.as_str()).collect();
        assert_eq!(names, ["sensor --lib: a::b", "output: c"]);
    }
}
