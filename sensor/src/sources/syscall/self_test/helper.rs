//! The process that executes itself.
//!
//! It is started before the sensor gives its rights up, because executing programs is one of
//! them; it has none of the others. It lives as long as its standard input is open.

use std::{io, os::unix::process::CommandExt as _, process::Command};

use rustix::{
    stdio::stdin,
    thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs},
};

/// The flag by which the sensor starts itself as the helper.
pub const HELPER_FLAG: &str = "--self-test-helper";

/// Characters of a number: hexadecimal digits.
pub(super) const DIGITS: usize = 16;

/// What the process does that was started with [`HELPER_FLAG`]: waits for a number and
/// executes itself with it. Returns when its input ends.
///
/// # Errors
/// If it cannot give its rights up, or cannot execute itself.
pub fn run_helper() -> io::Result<()> {
    give_up_rights()?;
    let mut number = [0; DIGITS];
    let mut have = 0;
    // By system call: a buffer would be lost with the exec.
    while have < DIGITS {
        match rustix::io::read(stdin(), &mut number[have..]) {
            Ok(0) => return Ok(()),
            Ok(more) => have += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let number = String::from_utf8_lossy(&number).into_owned();
    let mut command = Command::new("/proc/self/exe");
    command.arg0("sensor").args([HELPER_FLAG, &number]);
    Err(command.env_clear().exec())
}

/// With `no_new_privs` an exec as root does not give them back.
fn give_up_rights() -> io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_no_new_privs(true)?;
    Ok(set_capabilities(None, none)?)
}
