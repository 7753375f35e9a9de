//! A terminal of 80 columns and 24 rows, or of another size later, and what somebody sees on it.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    num::NonZeroU16,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use harness::{programs, sensor::wait_for};
use pty_process::blocking::Pty;
use vt100::{Cell, Color, Parser};

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
/// The rows that a test sees: those that have scrolled away, too.
const SCROLLED: u16 = 2000;

/// A program that runs on a terminal.
pub struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Changes of the width: the bytes before each, and the columns after it.
    widths: Mutex<Vec<(usize, u16)>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts a program on a terminal of its own; `prepare` sets what else the program needs.
    ///
    /// # Panics
    /// If no terminal can be made, or if the program cannot be started.
    #[must_use]
    pub fn start(command: Command) -> Self {
        Self::with_stdout(command, None)
    }

    /// Starts a program on a terminal, with its standard output elsewhere.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn with_stdout(mut command: Command, stdout: Option<Stdio>) -> Self {
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm-256color");
        }
        if command.get_envs().all(|(name, _)| name != "NO_COLOR") {
            command.env_remove("NO_COLOR");
        }
        let (pty, pts) = pty_process::blocking::open().expect("a terminal can be made");
        let size = pty_process::Size::new(ROWS, COLUMNS);
        pty.resize(size).expect("a terminal has a size");
        let mut command = pty_process::blocking::Command::from(command);
        if let Some(stdout) = stdout {
            command = command.stdout(stdout);
        }
        let child = programs::alone(|| command.spawn(pts)).expect("the program can be started");
        let (pty, bytes) = (Arc::new(pty), Arc::<Mutex<Vec<u8>>>::default());
        let (from, to) = (Arc::clone(&pty), Arc::clone(&bytes));
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                match (&*from).read(&mut buffer) {
                    Ok(read @ 1..) => lock(&to).extend_from_slice(&buffer[..read]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The kernel reports the end of a terminal as an error.
                    Ok(0) | Err(_) => return,
                }
            }
        });
        Self {
            child,
            pty,
            bytes,
            widths: Mutex::new(vec![(0, COLUMNS)]),
            reader: Some(reader),
        }
    }

    /// The process id of the program.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Changes the size of the terminal.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn resize(&self, columns: u16, rows: u16) {
        let bytes = lock(&self.bytes);
        lock(&self.widths).push((bytes.len(), columns));
        let size = pty_process::Size::new(rows, columns);
        self.pty.resize(size).expect("a terminal has a size");
    }

    /// Types a text; `\x03` is Ctrl-C.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn type_in(&self, text: &str) {
        let written = (&*self.pty).write_all(text.as_bytes());
        written.expect("a terminal takes what is typed");
    }

    /// Waits until a text is on the screen, or has been.
    ///
    /// # Panics
    /// If the text does not come in time.
    pub fn wait_for(&self, text: &str) {
        let seen = || String::from_utf8_lossy(&lock(&self.bytes)).contains(text);
        assert!(
            wait_for(seen),
            "no `{text}` on the screen:\n{}",
            self.look().text()
        );
    }

    /// What has been on the screen so far.
    #[must_use]
    pub fn look(&self) -> Screen {
        Screen::of(&lock(&self.bytes), &lock(&self.widths))
    }

    /// Waits for the end of the program.
    ///
    /// # Panics
    /// If the program does not end in time.
    #[must_use]
    pub fn end(mut self) -> (ExitStatus, Screen) {
        let mut status = None;
        let ended = wait_for(|| {
            status = self.child.try_wait().expect("a child can be asked");
            status.is_some()
        });
        assert!(ended, "the program does not end:\n{}", self.look().text());
        // All that the program wrote is there when the reader has come to the end.
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        (status.expect("it has ended"), self.look())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What has been on the screen, with the rows that have scrolled away.
pub struct Screen(Parser, u16);

impl Screen {
    fn of(bytes: &[u8], widths: &[(usize, u16)]) -> Self {
        let size = |n| NonZeroU16::new(n).expect("more than none");
        let mut parser = Parser::new(size(SCROLLED), size(COLUMNS), 0);
        let ends = widths.iter().skip(1).map(|(begin, _)| *begin);
        let ends = ends.chain([bytes.len()]);
        for ((begin, columns), end) in widths.iter().zip(ends) {
            parser.set_size(size(SCROLLED), size(*columns));
            parser.process(&bytes[*begin..end]);
        }
        Self(
            parser,
            widths.last().map_or(COLUMNS, |(_, columns)| *columns),
        )
    }

    /// The rows up to the last one that is not empty.
    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        let rows = self.0.screen().rows(0, self.1);
        let mut rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        let last = rows.iter().rposition(|row| !row.is_empty());
        rows.truncate(last.map_or(0, |last| last + 1));
        rows
    }

    /// The text as it was written: rows that the terminal broke are one line.
    #[must_use]
    pub fn text(&self) -> String {
        let screen = self.0.screen();
        let mut text = String::new();
        for (number, row) in (0..).zip(screen.rows(0, self.1)).take(self.rows().len()) {
            if screen.row_wrapped(number) {
                text += &row;
            } else {
                text += row.trim_end();
                text.push('\n');
            }
        }
        text
    }

    /// The rows that the terminal broke because they were too long.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let rows = (0..).zip(self.rows());
        let broken = rows.filter(|(number, _)| self.0.screen().row_wrapped(*number));
        broken.map(|(_, row)| row).collect()
    }

    /// The texts in colour or otherwise marked.
    #[must_use]
    pub fn coloured(&self) -> String {
        let screen = self.0.screen();
        let plain = |cell: &Cell| {
            cell.fgcolor() == Color::Default
                && cell.bgcolor() == Color::Default
                && !cell.bold()
                && !cell.dim()
        };
        let mut text = String::new();
        for row in 0..SCROLLED {
            for column in 0..self.1 {
                if let Some(cell) = screen.cell(row, column)
                    && !plain(cell)
                {
                    text += cell.contents();
                }
            }
        }
        text
    }
}
