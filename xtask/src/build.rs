//! `cargo xtask build`: the sensor, for release.

use anyhow::Result;

use crate::{
    setup,
    shell::{cargo, run as execute, say, target},
};

/// What cargo is told to build the sensor and the programs beside the tests: in one build, for
/// features that they do not share would compile the sensor twice.
pub(crate) const PROGRAMS: [&str; 5] = ["--package", "sensor", "--package", "tests", "--bins"];

pub(crate) fn run() -> Result<()> {
    setup::run(setup::Arguments::default())?;
    release()?;
    say(format_args!(
        "built {}",
        target().join("release/sensor").display()
    ));
    Ok(())
}

/// Builds the release binary.
pub(crate) fn release() -> Result<()> {
    execute(&mut cargo(&["build", "--release", "--package", "sensor"]))
}
