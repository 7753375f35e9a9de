//! The processes that were there before the sensor, from `/proc`.

use std::{fs, path::Path};

/// Nanoseconds of a clock tick of `/proc` (`USER_HZ` is 100 on every
/// architecture that this program runs on).
pub const TICK_NS: u64 = 10_000_000;

/// A process that was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Thread group id.
    pub tgid: u32,
    /// Thread group id of its parent.
    pub ppid: u32,
    /// When it started, in [`TICK_NS`] since boot.
    pub start_ticks: u64,
    /// Its name.
    pub comm: Vec<u8>,
    /// argv: strings, each with its NUL.
    pub argv: Vec<u8>,
    /// Path of its executable.
    pub exe: Vec<u8>,
}

/// Most bytes of argv that are kept.
const ARGV_MAX: usize = 4096;

/// All processes under a `/proc`. One that ends while it is read is left out.
#[must_use]
pub fn processes(proc_root: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir(proc_root) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let tgid = entry.file_name().to_str()?.parse().ok()?;
            process(&entry.path(), tgid)
        })
        .collect()
}

fn process(dir: &Path, tgid: u32) -> Option<Process> {
    use std::os::unix::ffi::OsStringExt as _;

    let (comm, ppid, start_ticks) = parse_stat(&fs::read(dir.join("stat")).ok()?)?;
    let mut argv = fs::read(dir.join("cmdline")).unwrap_or_default();
    argv.truncate(ARGV_MAX);
    let exe = fs::read_link(dir.join("exe"))
        .map(|path| path.into_os_string().into_vec())
        .unwrap_or_default();
    let exe = exe.strip_suffix(b" (deleted)").unwrap_or(&exe).to_vec();
    Some(Process {
        tgid,
        ppid,
        start_ticks,
        comm,
        argv,
        exe,
    })
}

/// Name, parent and start of `/proc/PID/stat`. The name stands in parentheses
/// and may contain any byte, so what follows is counted from the last one.
fn parse_stat(stat: &[u8]) -> Option<(Vec<u8>, u32, u64)> {
    let open = memchr::memchr(b'(', stat)?;
    let close = memchr::memrchr(b')', stat)?;
    let name = stat.get(open + 1..close)?.to_vec();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let ppid = fields.nth(1)?.parse().ok()?; // field 4
    let ticks = fields.nth(17)?.parse().ok()?; // field 22
    Some((name, ppid, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_its_argv() {
        let me = std::process::id();
        let all = processes(Path::new("/proc"));
        let found = all.iter().find(|p| p.tgid == me).expect("this process");
        let argv0 = std::env::args().next().expect("argv[0]");
        assert!(found.argv.starts_with(argv0.as_bytes()));
        assert!(found.start_ticks > 0);
        assert!(all.iter().any(|p| p.tgid == found.ppid) || found.ppid == 0);
    }

    #[test]
    fn a_name_with_parentheses_and_blanks_is_parsed() {
        let stat = b"42 (a) b) (c) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9876 0 0";
        assert_eq!(parse_stat(stat), Some((b"a) b) (c".to_vec(), 7, 9876)));
    }

    #[test]
    fn nonsense_is_no_process() {
        for stat in [b"".as_slice(), b"1 (x", b"1 x) S", b"1 (x) S", b")("] {
            assert_eq!(parse_stat(stat), None);
        }
    }
}
