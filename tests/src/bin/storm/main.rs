//! A storm of events: `storm execs|connects WORKERS COUNT … [--cgroup FILE]`.
//!
//! Each worker is a process; all workers together make COUNT events, each worker one after the
//! other. With `--cgroup` (a `cgroup.procs`), all enter that cgroup first. Prints the nanoseconds
//! that the storm took, and those that the workers were on a CPU.
#![expect(clippy::print_stdout, reason = "the caller reads the result")]

mod connects;
mod execs;

use std::{
    fs,
    io::Error,
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use rustix::process::{Pid, WaitOptions, waitpid};

#[derive(Parser)]
struct Arguments {
    /// Enter this cgroup first
    #[arg(long, global = true)]
    cgroup: Option<PathBuf>,
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    /// Fork, execute PROGRAM with the numbers of the worker and of the round, wait for its end
    Execs {
        #[command(flatten)]
        size: Size,
        program: PathBuf,
        /// Into LOG.WORKER each worker writes its pid and those of its children, one a line
        log: Option<PathBuf>,
    },
    /// In a network namespace of its own, connect to where nobody listens, to three listeners,
    /// and by UDP, in turn
    Connects {
        #[command(flatten)]
        size: Size,
    },
}

#[derive(clap::Args, Clone, Copy)]
struct Size {
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    workers: u32,
    count: u32,
    /// Most events in a second, of all workers together; without it as many as the machine can
    #[arg(long)]
    rate: Option<u32>,
}

/// When the rounds of a worker begin.
#[derive(Clone, Copy)]
struct Pace {
    begin: Instant,
    /// Time from one round to the next.
    every: Duration,
}

impl Pace {
    /// Sleeps until the time of that round.
    fn wait(self, round: u32) {
        let until = self.begin + self.every * round;
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

impl Size {
    /// How often each worker runs its round of `length` events.
    fn rounds(self, length: u32) -> Result<u32> {
        let in_all = self.workers * length;
        ensure!(
            self.count.is_multiple_of(in_all),
            "COUNT is not a multiple of {in_all}"
        );
        Ok(self.count / in_all)
    }

    /// The pace of a worker whose rounds have that length.
    fn pace(self, length: u32) -> Pace {
        let every = |rate| Duration::from_secs((self.workers * length).into()) / rate;
        Pace {
            begin: Instant::now(),
            every: self.rate.map_or(Duration::ZERO, every),
        }
    }

    /// Runs the workers, each with its number, and waits until they have ended.
    fn rage(self, work: impl Fn(u32) -> Result<()>) -> Result<()> {
        let workers: Result<Vec<_>> = (0..self.workers)
            .map(|worker| in_child(|| work(worker)).with_context(|| format!("worker {worker}")))
            .collect();
        workers?.into_iter().try_for_each(wait)
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok((took, on_cpu)) => {
            println!("{} {}", took.as_nanos(), on_cpu.as_nanos());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("storm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The time that the storm took, and the CPU time of the workers.
fn run(arguments: Arguments) -> Result<(Duration, Duration)> {
    if let Some(cgroup) = arguments.cgroup {
        fs::write(&cgroup, std::process::id().to_string())
            .with_context(|| cgroup.display().to_string())?;
    }
    let begin;
    match arguments.kind {
        Kind::Execs { size, program, log } => {
            let rounds = size.rounds(1)?;
            begin = Instant::now();
            let pace = size.pace(1);
            size.rage(|worker| execs::work(worker, (rounds, pace), &program, log.as_deref()))?;
        }
        Kind::Connects { size } => {
            let rounds = size.rounds(connects::ROUND)?;
            connects::listen()?;
            begin = Instant::now();
            let pace = size.pace(connects::ROUND);
            size.rage(|_| connects::work(rounds, pace))?;
        }
    }
    Ok((begin.elapsed(), time_of_children()?))
}

/// The CPU time of the children that ended; other processes of the machine hardly change it.
fn time_of_children() -> Result<Duration> {
    // SAFETY: zeros are valid, and the kernel fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        check(libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage))?;
        usage
    };
    let of = |time: libc::timeval| (time.tv_sec * 1_000_000 + time.tv_usec).cast_unsigned();
    Ok(Duration::from_micros(
        of(usage.ru_utime) + of(usage.ru_stime),
    ))
}

/// Calls a function in a child process, which then ends.
fn in_child(run: impl FnOnce() -> Result<()>) -> Result<Pid> {
    // SAFETY: the child uses only its own memory and descriptors, and no lock that a thread of
    // this process may hold.
    match check(unsafe { libc::fork() }).context("fork")? {
        0 => {
            let failed = run()
                .inspect_err(|error| eprintln!("storm: {error:#}"))
                .is_err();
            // SAFETY: ends this process at once, without its parent's exit handlers.
            unsafe { libc::_exit(failed.into()) }
        }
        child => Pid::from_raw(child).context("the id of a child"),
    }
}

fn wait(child: Pid) -> Result<()> {
    let (_, status) = waitpid(Some(child), WaitOptions::empty())?.context("no child")?;
    ensure!(
        status.exit_status() == Some(0),
        "a child ended with {status:?}"
    );
    Ok(())
}

/// Turns the return value of a C library function into a result.
fn check(answer: libc::c_int) -> Result<libc::c_int> {
    ensure!(answer >= 0, Error::last_os_error());
    Ok(answer)
}
