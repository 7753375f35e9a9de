//! What the kernel knows of the programs that it runs for us.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::{Arc, Mutex, PoisonError},
};

use aya::programs::ProgramFd;

/// The kernel's figures of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFigures {
    /// Its name.
    pub program: &'static str,
    /// Runs while the kernel's statistics were on (`kernel.bpf_stats_enabled`).
    pub runs: u64,
    /// Nanoseconds that these took.
    pub nanoseconds: u64,
    /// Runs that the kernel skipped, since the program was running on that CPU
    /// already; kernels before 5.12 do not tell.
    pub skipped: Option<u64>,
}

/// The loaded programs; clones are of the same ones.
#[derive(Clone, Debug, Default)]
pub struct Programs(Arc<Mutex<Vec<(&'static str, ProgramFd)>>>);

impl Programs {
    /// Adds a program that was just loaded.
    pub(super) fn add(&self, program: &'static str, fd: &ProgramFd) -> io::Result<()> {
        let fd = fd.try_clone()?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((program, fd));
        Ok(())
    }

    /// The figures of each; without those that the kernel does not tell.
    #[must_use]
    pub fn read(&self) -> Vec<ProgramFigures> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = all.iter().map(|(program, fd)| {
            let fd = fd.as_fd().as_raw_fd();
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            Some(parse(program, &text))
        });
        figures.flatten().collect()
    }
}

fn parse(program: &'static str, text: &str) -> ProgramFigures {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':')?.trim().parse::<u64>().ok()
    };
    ProgramFigures {
        program,
        runs: value("run_cnt").unwrap_or(0),
        nanoseconds: value("run_time_ns").unwrap_or(0),
        skipped: value("recursion_misses"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_kernels_text() {
        let new = "pos:\t0\nrun_time_ns:\t1234\nrun_cnt:\t5\nrecursion_misses:\t6\n";
        let figures = parse("p", new);
        assert_eq!((figures.runs, figures.nanoseconds), (5, 1234));
        assert_eq!(figures.skipped, Some(6));
        assert_eq!(parse("p", "run_cnt:\t5\n").skipped, None);
    }
}
