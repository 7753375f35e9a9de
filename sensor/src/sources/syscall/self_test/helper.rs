//! The helper process of the self-test, which executes itself.
//!
//! The helper starts before the lock-down, since the sensor cannot execute programs afterwards; the
//! helper keeps no other right. It lives as long as its standard input is open.

use std::{io, os::unix::process::CommandExt as _, process::Command};

use rustix::{
    stdio::stdin,
    thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs},
};

/// The flag by which the sensor starts itself as the helper.
pub const HELPER_FLAG: &str = "--self-test-helper";

/// Hexadecimal digits of a number.
pub(super) const DIGITS: usize = 16;

/// The work of the process that was started with [`HELPER_FLAG`]: waits for a number and executes
/// itself with that number. Returns when standard input ends.
///
/// # Errors
/// If the process cannot give up its rights, or cannot execute itself.
pub fn run_helper() -> io::Result<()> {
    give_up_rights()?;
    let mut number = [0; DIGITS];
    let mut have = 0;
    // Read by system calls: the exec would lose the contents of a buffer.
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

/// Drops all capabilities. With `no_new_privs`, an exec as root does not give them back.
fn give_up_rights() -> io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_no_new_privs(true)?;
    Ok(set_capabilities(None, none)?)
}
