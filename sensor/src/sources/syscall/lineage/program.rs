//! A program of the cache.

use metadata::{Names, Strings};

use crate::sources::syscall::event::Exec;

/// A program, from the event of its exec or from `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Name (`comm`) at the exec.
    pub comm: &'a [u8],
    /// argv.
    pub argv: Strings<'a>,
    /// Path of the executable.
    pub exe: Names<'a>,
    /// Working directory at the exec, or at the time when the sensor read `/proc`.
    pub cwd: Names<'a>,
    /// Environment, if a rule needs it.
    pub env: Strings<'a>,
    /// Whether variables that rules read may be missing.
    pub env_cut: bool,
    /// Facts of the executable; none for a program from `/proc`.
    pub exec: Option<Exec>,
}
