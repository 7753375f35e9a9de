//! `cargo xtask build`: the sensor, for release.

use anyhow::Result;

use crate::{
    setup,
    shell::{cargo, run as execute, say, target},
};

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
