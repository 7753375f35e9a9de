//! The results of the tests, kernel by kernel, read from their output.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::test::FailedTest;

/// The guest prints this and the name before each test program.
pub(super) const PROGRAM: &str = "== ";
/// The guest prints this and the seconds after each test program.
pub(super) const SECONDS: &str = "== took ";

/// The result of a test program on one kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    name: String,
    passed: usize,
    failed: Vec<String>,
    /// Its seconds, if it ran to its end.
    seconds: Option<u64>,
}

/// The results of one kernel.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The series from the command line.
    pub(super) series: String,
    /// Release, as `uname -r` prints it; empty if the kernel did not boot.
    pub(super) release: String,
    /// Why the run did not reach its end; none if it did.
    pub(super) trouble: Option<String>,
    /// The results of the test programs.
    pub(super) outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether the run reached its end, and all tests passed.
    pub(super) fn passed(&self) -> bool {
        self.trouble.is_none() && self.outcomes.iter().all(Outcome::is_green)
    }

    /// The failed tests, and programs that ended early; the kernel itself if its run did not reach
    /// its end.
    pub(super) fn red(&self) -> Vec<FailedTest> {
        let series = &self.series;
        let red = |what: String, program: &str| FailedTest {
            name: format!("{series}: {what}"),
            repeat: format!("cargo xtask vm --kernel {series} -- {program}")
                .trim_end_matches(" -- ")
                .to_owned(),
        };
        let mut all = Vec::new();
        for outcome in self.outcomes.iter().filter(|outcome| !outcome.is_green()) {
            let name = &outcome.name;
            let tests = outcome.failed.iter();
            all.extend(tests.map(|test| red(format!("{name}: {test}"), name)));
            if outcome.failed.is_empty() {
                all.push(red(format!("{name} (ended early)"), name));
            }
        }
        if let (Some(trouble), true) = (&self.trouble, all.is_empty()) {
            all.push(red(trouble.clone(), ""));
        }
        all
    }

    fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.name == name)
    }
}

impl Outcome {
    fn is_green(&self) -> bool {
        self.failed.is_empty() && self.passed > 0 && self.seconds.is_some()
    }

    fn cell(&self) -> String {
        let total = self.passed + self.failed.len();
        match self.seconds {
            Some(seconds) if self.is_green() => format!("{total} passed ({seconds} s)"),
            Some(_) => format!("**{} of {total} failed**", self.failed.len()),
            None => format!("**ended early after {total}**"),
        }
    }
}

/// The results in the output of a guest, test program by test program.
pub(super) fn read(transcript: &str) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for line in transcript.lines() {
        if let Some(seconds) = line.strip_prefix(SECONDS) {
            if let Some(last) = outcomes.last_mut() {
                last.seconds = seconds.trim().parse().ok();
            }
        } else if let Some(program) = line.strip_prefix(PROGRAM) {
            outcomes.push(Outcome {
                name: without_hash(program.trim()).to_owned(),
                ..Outcome::default()
            });
        } else if let Some(last) = outcomes.last_mut()
            && let Some((name, verdict)) = line
                .strip_prefix("test ")
                .and_then(|rest| rest.split_once(" ... "))
        {
            match verdict.trim() {
                "ok" => last.passed += 1,
                "FAILED" => last.failed.push(name.to_owned()),
                _ => {}
            }
        }
    }
    outcomes
}

/// cargo's `NAME-HASH` without the hash.
fn without_hash(program: &str) -> &str {
    match program.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 => name,
        _ => program,
    }
}

/// A table of test programs and kernels, in Markdown, followed by the failed tests.
pub(super) fn table(reports: &[Report]) -> String {
    let names: BTreeSet<&str> = reports
        .iter()
        .flat_map(|report| report.outcomes.iter().map(|outcome| outcome.name.as_str()))
        .collect();
    let row = |first: &str, cell: &dyn Fn(&Report) -> String| {
        let cells: Vec<String> = reports.iter().map(cell).collect();
        format!("| {first} | {} |\n", cells.join(" | "))
    };
    let mut out = row("Kernel", &|report| report.series.clone());
    out += &row("---", &|_| "---".to_owned());
    out += &row("Release", &|report| report.release.clone());
    for name in names {
        out += &row(&format!("`{name}`"), &|report| {
            report
                .outcome(name)
                .map_or_else(|| "not run".to_owned(), Outcome::cell)
        });
    }
    for report in reports {
        if let Some(trouble) = &report.trouble {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "\n{}: {trouble}", report.series);
        }
        for outcome in &report.outcomes {
            for test in &outcome.failed {
                let _ = writeln!(out, "\n{}: {} {test} failed", report.series, outcome.name);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Report, read, table};

    const TRANSCRIPT: &str = "== exec_argv-0123456789abcdef

running 2 tests
test one ... ok
test two ... FAILED
== took 7
== connect_tcp-0123456789abcdef
running 2 tests
test three ... ok
";

    fn report(transcript: &str) -> Report {
        Report {
            series: "5.10".into(),
            release: "5.10.0-1".into(),
            trouble: None,
            outcomes: read(transcript),
        }
    }

    #[test]
    fn each_program_has_a_row_and_each_failure_a_line() {
        let text = table(&[report(TRANSCRIPT)]);
        assert!(
            text.contains("| `exec_argv` | **1 of 2 failed** |"),
            "{text}"
        );
        assert!(
            text.contains("| `connect_tcp` | **ended early after 1** |"),
            "{text}"
        );
        assert!(text.contains("5.10: exec_argv two failed"), "{text}");
    }

    #[test]
    fn each_red_test_has_the_command_that_repeats_its_program() {
        let red = report(TRANSCRIPT).red();
        let names: Vec<_> = red.iter().map(|red| red.name.as_str()).collect();
        assert_eq!(
            names,
            ["5.10: exec_argv: two", "5.10: connect_tcp (ended early)"]
        );
        assert_eq!(red[0].repeat, "cargo xtask vm --kernel 5.10 -- exec_argv");
        let away = Report {
            trouble: Some("no such kernel".to_owned()),
            ..report("")
        };
        assert_eq!(away.red()[0].repeat, "cargo xtask vm --kernel 5.10");
    }

    #[test]
    fn a_run_is_green_only_if_it_ran_to_its_end() {
        assert!(!report(TRANSCRIPT).passed());
        assert!(report("== a\ntest one ... ok\n== took 1\n").passed());
        assert!(!report("== a\ntest one ... ok\n").passed());
        assert!(
            !report("== a\n== took 1\n").passed(),
            "no test is no success"
        );
    }
}
