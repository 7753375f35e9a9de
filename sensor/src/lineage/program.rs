//! What is known of the program that a process runs.

use metadata::{Names, Strings};

use crate::event::Exec;

/// A program as its exec event told it, or `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Name (`comm`) at the exec.
    pub comm: &'a [u8],
    /// argv.
    pub argv: Strings<'a>,
    /// Path of the executable.
    pub exe: Names<'a>,
    /// Working directory at the exec, or when `/proc` was read.
    pub cwd: Names<'a>,
    /// Environment, if it was asked for; `/proc` is not.
    pub env: Strings<'a>,
    /// Facts of the executable; none for a program that `/proc` told.
    pub exec: Option<Exec>,
}
