//! `cargo xtask test --quick`: the tests that find most faults in little time.
//!
//! `docs/testing.md` describes the measurement behind the choice: with one seeded fault at a time,
//! each test program counted by the faults that no other program had found, and by its time.

use anyhow::Result;

use super::{Arguments, FailedTest, Step, integration_tests, run_tests, unit};
use crate::{
    setup,
    shell::{run as execute, target, workspace_cargo},
};

pub(super) const BUILD: &str = "build";

pub(super) const STEPS: &[Step] = &[
    (BUILD, |_, _| build()),
    ("unit", |_, red| unit(red)),
    ("integration", |arguments, red| integration(arguments, red)),
];

/// The chosen programs of `tests/tests/`.
const CHOSEN: &[&str] = &[
    "commands",
    "connect_filter",
    "exec_argv",
    "fields",
    "metrics",
    "output",
    "reload",
];

/// Builds the sensor without optimization, which takes seconds after a change.
fn build() -> Result<()> {
    setup::run(setup::Arguments { tests: true })?;
    execute(&mut workspace_cargo("build", &["--bin", "sensor"]))
}

fn integration(arguments: &Arguments, red: &mut Vec<FailedTest>) -> Result<()> {
    let mut test = integration_tests();
    test.env("SENSOR_BIN", target().join("debug/sensor"));
    for program in CHOSEN {
        test.args(["--test", program]);
    }
    if let Some(filter) = &arguments.filter {
        test.args(["--", filter]);
    }
    run_tests(test, red)
}
