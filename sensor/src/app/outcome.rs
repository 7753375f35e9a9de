//! How the work of the process ended.

use std::{io, process::ExitCode};

/// How the work of the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stopped on request, or everything that was checked is valid.
    Done,
    /// Something failed, and was reported.
    Failed,
    /// The program that read the standard output has ended: there is nobody left to tell.
    Unread,
}

impl Outcome {
    /// The outcome of an action that has written to standard output.
    ///
    /// # Errors
    /// The error of the action, unless the error is that nobody reads the output any more.
    pub(super) fn of(done: anyhow::Result<bool>) -> anyhow::Result<Self> {
        match done {
            Ok(true) => Ok(Self::Done),
            Ok(false) => Ok(Self::Failed),
            Err(error) => match error.downcast_ref::<io::Error>() {
                Some(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(Self::Unread),
                _ => Err(error),
            },
        }
    }
}

impl From<Outcome> for ExitCode {
    /// Falco's codes, and for a closed pipe the code that a shell reports for a program that
    /// SIGPIPE has ended (128 + 13).
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::FAILURE,
            Outcome::Unread => Self::from(141),
        }
    }
}
