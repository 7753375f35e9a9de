//! The helper process that starts the configured program.
//!
//! The sensor starts the helper before the lock-down, because afterwards it cannot start a process.
//! The helper reads lines from its standard input; for each line it answers with one byte on its
//! standard output.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
};

use tracing::error;

/// ASCII's ACK: the program has taken the line.
pub(super) const TAKEN: u8 = 0x06;
/// ASCII's NAK: the program has not taken the line.
pub(super) const REFUSED: u8 = 0x15;

struct Program {
    argv: Vec<String>,
    keep_alive: bool,
    child: Option<Child>,
}

/// Runs the helper: `argv` is the command of the program, `input` has the lines, and the answers go
/// to `answers`. Returns when `input` ends.
///
/// # Errors
/// If `input` or `answers` fail.
pub fn helper(
    argv: Vec<String>,
    keep_alive: bool,
    input: impl Read,
    mut answers: impl Write,
) -> io::Result<()> {
    let mut program = Program {
        argv,
        keep_alive,
        child: None,
    };
    let mut input = BufReader::with_capacity(64 << 10, input);
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let answer = match program.give(&line) {
            Ok(()) => TAKEN,
            Err(error) => {
                error!("program_output: {}: {error}", program.argv[0]);
                REFUSED
            }
        };
        answers.write_all(&[answer])?;
        line.clear();
    }
    program.finish();
    Ok(())
}

impl Program {
    fn give(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(error) = self.write(line) {
            // The helper starts a program that has ended again, once for each line.
            let ended = self.child.is_some();
            self.finish();
            if !ended {
                return Err(error);
            }
            self.write(line)?;
        }
        if !self.keep_alive {
            self.finish();
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.child.is_none() {
            let child = Command::new(&self.argv[0])
                .args(&self.argv[1..])
                .stdin(Stdio::piped())
                .stdout(Stdio::inherit())
                .spawn()?;
            self.child = Some(child);
        }
        let stdin = self.child.as_mut().and_then(|child| child.stdin.as_mut());
        stdin.ok_or(io::ErrorKind::BrokenPipe)?.write_all(line)
    }

    /// Closes the program's input and waits until the program has ended.
    fn finish(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            if let Err(error) = child.wait() {
                error!("program_output: {}: {error}", self.argv[0]);
            }
        }
    }
}
