//! Standard input of a program, through a helper process.

mod helper;
mod words;

use std::{
    ffi::OsString,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tracing::error;

pub use helper::helper;

use config::Config;
use telemetry::Identity;

use super::{
    Batch, DropCause, OutputError, Queue,
    worker::{Deliver, Delivered, Worker, run},
};

/// The flag by which the sensor starts itself as the helper.
pub const HELPER_FLAG: &str = "--program-helper";

/// The command that runs [`run_helper`]: the current executable with [`HELPER_FLAG`], unless a user
/// of the library has set another command.
pub static HELPER: OnceLock<Vec<OsString>> = OnceLock::new();

/// Starts the helper process and the thread of the program output.
pub(super) fn start(
    config: &Config,
    identity: &Arc<Identity>,
    queue: &Arc<Queue>,
) -> Result<Vec<Worker>, OutputError> {
    let wrong = |what: String, hint| OutputError::Program { what, hint };
    let text = &config.program_output.program;
    argv(text)?;
    let command = HELPER.get_or_init(|| vec!["/proc/self/exe".into(), HELPER_FLAG.into()]);
    let Some((exe, arguments)) = command.split_first() else {
        return Err(wrong("no helper".into(), "set its command"));
    };
    let keep = if config.program_output.keep_alive {
        "keep"
    } else {
        "once"
    };
    let mut child = Command::new(exe)
        .args(arguments)
        .env("SENSOR_PROGRAM_MODE", keep)
        .env("SENSOR_PROGRAM", text)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let hint = if error.kind() == io::ErrorKind::PermissionDenied {
                "a sensor that has started begins no more processes: restart it"
            } else {
                "the helper process cannot be started"
            };
            wrong(error.to_string(), hint)
        })?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (lines, answers) = pipes.ok_or_else(|| wrong("no pipe".into(), "start again"))?;
    let program = Program {
        child,
        lines: Some(BufWriter::new(lines)),
        answers,
        dead: false,
    };
    let (queue_, identity) = (Arc::clone(queue), Arc::clone(identity));
    let worker = Worker::spawn("out-program", queue, move || {
        run(program, "program", &queue_, &identity);
    })?;
    Ok(vec![worker])
}

/// Whether the output can work as it is configured.
///
/// # Errors
/// If it cannot.
pub(super) fn check(config: &Config) -> Result<(), OutputError> {
    argv(&config.program_output.program).map(drop)
}

/// The shell that reads what only a shell interprets, as Falco's `popen` does.
const SHELL: &str = "/bin/sh";

/// The words of a command line: the shell's, if it has to read the text.
///
/// # Errors
/// If the text is no command line, or its program is not there.
fn argv(text: &str) -> Result<Vec<String>, OutputError> {
    let wrong = |what: String, hint| OutputError::Program { what, hint };
    let words = words::split(text).or_else(|what| {
        find(SHELL)
            .map(|_| [SHELL, "-c", text].map(str::to_owned).to_vec())
            .ok_or_else(|| {
                let what = format!("{what}: there is no {SHELL} here");
                wrong(
                    what,
                    "install one in the image, or name a program that needs none",
                )
            })
    })?;
    let name = words
        .first()
        .ok_or_else(|| wrong("no program".into(), "set program_output.program"))?;
    if find(name).is_none() {
        return Err(wrong(
            format!("there is no program '{name}'"),
            "install it in the image, or choose another output: http_output, file_output",
        ));
    }
    Ok(words)
}

/// Runs the helper in the process that was started with [`HELPER_FLAG`]; `main` must call this
/// before anything else.
///
/// # Errors
/// If the sensor did not start this process, or the pipes fail.
pub fn run_helper() -> io::Result<()> {
    let text = std::env::var("SENSOR_PROGRAM").map_err(io::Error::other)?;
    let keep = std::env::var("SENSOR_PROGRAM_MODE").is_ok_and(|mode| mode == "keep");
    let argv = argv(&text).map_err(io::Error::other)?;
    // The program shares standard error with the sensor, and not the pipe of answers.
    let answers = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    helper(argv, keep, io::stdin(), std::fs::File::from(answers))
}

/// The program's path, as `execvp` would find it.
fn find(name: &str) -> Option<PathBuf> {
    let runnable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| runnable(path));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| runnable(path))
}

struct Program {
    child: Child,
    lines: Option<BufWriter<ChildStdin>>,
    answers: ChildStdout,
    dead: bool,
}

impl Program {
    fn line(&mut self, line: &[u8]) -> io::Result<bool> {
        let lines = self.lines.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        lines.write_all(line)?;
        lines.flush()?;
        loop {
            let mut answer = [0];
            self.answers.read_exact(&mut answer)?;
            match answer[0] {
                helper::TAKEN => return Ok(true),
                helper::REFUSED => return Ok(false),
                // Not an answer: a byte that was printed before the helper began.
                _ => {}
            }
        }
    }
}

impl Deliver for Program {
    fn deliver(&mut self, batch: &Batch, queue: &Queue) -> Delivered {
        let account = queue.account();
        let one = u64::from(batch.count() > 0);
        for (line, _) in batch.lines() {
            if self.dead {
                account.give_up(DropCause::Closed, one);
                continue;
            }
            account.in_call.store(true, Relaxed);
            let outcome = self.line(line);
            account.in_call.store(false, Relaxed);
            match outcome {
                Ok(true) => {
                    account.wrote(one);
                    account.bytes.fetch_add(line.len() as u64, Relaxed);
                    account.healthy.store(true, Relaxed);
                    continue;
                }
                Ok(false) => account.give_up(DropCause::Rejected, one),
                Err(error) => {
                    error!("program_output: the helper process is gone: {error}");
                    self.dead = true;
                    account.give_up(DropCause::Closed, one);
                }
            }
            account.errors.fetch_add(1, Relaxed);
            account.healthy.store(false, Relaxed);
        }
        Delivered(batch.count())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The helper ends when its input ends, unless its program is stuck.
        drop(self.lines.take());
        let until = Instant::now() + Duration::from_secs(1);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
