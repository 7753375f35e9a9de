//! `cargo xtask ci`: what must pass, from an empty machine.

use anyhow::Result;

use crate::test;

pub(crate) fn run() -> Result<()> {
    test::run(&test::Arguments::default())
}
