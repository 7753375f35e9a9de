//! A storm of execs: `storm WORKERS COUNT PROGRAM [LOG]`.
//!
//! Each worker is a process that forks, executes PROGRAM with its own number and
//! that of the round, and waits for its end; all of them together COUNT times.
//! Prints the nanoseconds that it took. With LOG, each worker writes the pids of
//! its children into LOG.WORKER, one a line, in order, its own pid first. With
//! CGROUP in the environment, all enter it first (its `cgroup.procs`).
#![expect(clippy::print_stdout, reason = "the caller reads the result")]

use std::{
    env,
    ffi::CString,
    fs::{self, File},
    io::{BufWriter, Error, Write as _},
    process::ExitCode,
    ptr,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .context("usage: storm WORKERS COUNT PROGRAM [LOG]")
    };
    let workers: u32 = next()?.parse()?;
    let count: u32 = next()?.parse()?;
    let program = next()?;
    let log = arguments.next();
    ensure!(
        workers > 0 && count.is_multiple_of(workers),
        "COUNT is not a multiple of WORKERS"
    );

    if let Some(cgroup) = env::var_os("CGROUP") {
        fs::write(&cgroup, std::process::id().to_string())
            .with_context(|| cgroup.to_string_lossy().into_owned())?;
    }
    let begin = Instant::now();
    let children: Result<Vec<_>> = (0..workers)
        .map(|worker| {
            in_child(|| work(worker, count / workers, &program, log.as_deref()))
                .with_context(|| format!("worker {worker}"))
        })
        .collect();
    for child in children? {
        wait(child)?;
    }
    println!("{}", begin.elapsed().as_nanos());
    Ok(())
}

fn work(worker: u32, rounds: u32, program: &str, log: Option<&str>) -> Result<()> {
    let mut log = match log {
        Some(log) => Some(BufWriter::new(File::create(format!("{log}.{worker}"))?)),
        None => None,
    };
    if let Some(log) = &mut log {
        writeln!(log, "{}", std::process::id())?;
    }
    let path = CString::new(program)?;
    let worker = CString::new(worker.to_string())?;
    for round in 0..rounds {
        let round = CString::new(round.to_string())?;
        let argv = [path.as_ptr(), worker.as_ptr(), round.as_ptr(), ptr::null()];
        let environment = [ptr::null()];
        let child = in_child(|| {
            // SAFETY: both lists end with a null pointer, and their strings live.
            unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
            Err(Error::last_os_error().into())
        })?;
        wait(child)?;
        if let Some(log) = &mut log {
            writeln!(log, "{child}")?;
        }
    }
    Ok(log.map_or(Ok(()), |mut log| log.flush())?)
}

/// Runs it in a child process, which then ends.
fn in_child(run: impl FnOnce() -> Result<()>) -> Result<libc::pid_t> {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error().into()),
        0 => {
            let failed = run()
                .inspect_err(|error| eprintln!("storm: {error:#}"))
                .is_err();
            // SAFETY: ends this process at once, without its parent's exit handlers.
            unsafe { libc::_exit(failed.into()) }
        }
        child => Ok(child),
    }
}

fn wait(child: libc::pid_t) -> Result<()> {
    let mut status = 0;
    // SAFETY: the status is written to.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    ensure!(ended == child, Error::last_os_error());
    ensure!(status == 0, "a child ended with wait status {status:#x}");
    Ok(())
}
