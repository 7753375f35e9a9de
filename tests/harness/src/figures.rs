//! CPU time and memory of a process, as the kernel counts them.

use std::{
    fs,
    io::{Error, ErrorKind, Result},
    time::Duration,
};

use nix::{time::clock_getcpuclockid, unistd::Pid};

/// User and system time of a process: of all its threads, including ended ones.
///
/// The value comes from the process's CPU clock, which counts nanoseconds; `/proc/PID/stat` counts
/// ticks of 10 ms.
///
/// # Errors
/// If there is no such process.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let pid = i32::try_from(pid).map_err(|_| Error::from(ErrorKind::NotFound))?;
    Ok(clock_getcpuclockid(Pid::from_raw(pid))?.now()?.into())
}

/// Anonymous resident memory of a process, in bytes.
///
/// # Errors
/// If there is no such process, or it has ended.
pub fn anonymous_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "no RssAnon in its status"))
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use super::{anonymous_memory, cpu_time};

    #[test]
    fn the_time_of_a_thread_that_ended_is_counted() {
        let own = std::process::id();
        let before = cpu_time(own).unwrap();
        let spin = || {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(50) {}
        };
        thread::spawn(spin).join().unwrap();
        // The process ran for at least one of its 50 ms, however busy the machine is.
        assert!(cpu_time(own).unwrap() > before + Duration::from_millis(1));
    }

    #[test]
    fn a_process_that_is_not_there_has_no_figures() {
        for pid in [u32::MAX, 0x7fff_fff0] {
            assert!(cpu_time(pid).is_err());
            assert!(anonymous_memory(pid).is_err());
        }
    }

    #[test]
    fn a_process_has_memory_of_its_own() {
        assert!(anonymous_memory(std::process::id()).unwrap() > 0);
    }
}
