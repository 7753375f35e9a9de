//! `cargo xtask lines`: compares the lines of two builds under the integration tests.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use harness::lines::comparable;

use crate::shell::say;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory with the lines of one build, from a run of the tests with `SENSOR_TEST_LINES`
    old: PathBuf,
    /// Directory with the lines of the other build
    new: PathBuf,
}

/// Most differences that the command shows of a test.
const SHOWN: usize = 3;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let read = |path: &PathBuf| comparable(path).with_context(|| path.display().to_string());
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let mut compared = 0;
    let mut differing = 0;
    for (test, old) in &old {
        let Some(new) = new.get(test) else {
            say(format_args!("{test}: only in {}", arguments.old.display()));
            continue;
        };
        compared += old.len();
        let gone = old.keys().filter(|line| !new.contains_key(*line));
        let come = new.keys().filter(|line| !old.contains_key(*line));
        let (gone, come): (Vec<_>, Vec<_>) = (gone.collect(), come.collect());
        differing += gone.len() + come.len();
        for line in gone.iter().take(SHOWN) {
            println!("{test}\n- {line}");
        }
        for line in come.iter().take(SHOWN) {
            println!("{test}\n+ {line}");
        }
    }
    say(format_args!(
        "{compared} kinds of lines compared, {differing} differ"
    ));
    ensure!(compared > 0, "nothing to compare");
    ensure!(differing == 0, "the builds write different lines");
    Ok(())
}
