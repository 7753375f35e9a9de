//! Processes from `/proc`: those older than the sensor, and those whose exec is not (or no longer)
//! in the cache of programs.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// Nanoseconds of a clock tick of `/proc` (`USER_HZ` is 100 on every
/// architecture that this program runs on).
pub const TICK_NS: u64 = 10_000_000;

/// A running process.
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
    /// Its working directory.
    pub cwd: Vec<u8>,
    /// Its environment, if the caller wants it and it can be read: strings, each with its NUL.
    pub env: Option<Vec<u8>>,
}

/// Most bytes of argv that are kept.
const ARGV_MAX: u64 = 4096;
/// Most bytes of the environment: the kernel starts no program with more.
const ENV_MAX: u64 = 6 << 20;

/// Suffix that the kernel adds to the path of a deleted file.
const DELETED: &[u8] = b" (deleted)";

/// All processes under a `/proc`, without those that end while this function reads them.
#[must_use]
pub fn processes(proc_root: &Path, with_env: bool) -> Vec<Process> {
    let Ok(entries) = fs::read_dir(proc_root) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            process(
                proc_root,
                entry.file_name().to_str()?.parse().ok()?,
                with_env,
            )
        })
        .collect()
}

/// One process; none if it has ended.
#[must_use]
pub fn process(proc_root: &Path, tgid: u32, with_env: bool) -> Option<Process> {
    let dir = proc_root.join(tgid.to_string());
    let mut argv = Vec::new();
    let cmdline = File::open(dir.join("cmdline")).ok()?;
    cmdline.take(ARGV_MAX).read_to_end(&mut argv).ok()?;
    let env = with_env.then(|| environment(&dir)).and_then(Result::ok);
    let (exe, cwd) = (link(&dir.join("exe")), link(&dir.join("cwd")));
    // Last of all: if the number belongs to another process by now, the start time differs.
    let (comm, ppid, start_ticks) = parse_stat(&fs::read(dir.join("stat")).ok()?)?;
    Some(Process {
        tgid,
        ppid,
        start_ticks,
        comm,
        argv,
        exe,
        cwd,
        env,
    })
}

fn environment(dir: &Path) -> io::Result<Vec<u8>> {
    let mut env = Vec::new();
    let environ = File::open(dir.join("environ"))?;
    environ.take(ENV_MAX).read_to_end(&mut env)?;
    Ok(env)
}

/// The target of a link in `/proc`; empty if the link cannot be read (as of a kernel thread).
fn link(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt as _;

    let target = fs::read_link(path).map(|path| path.into_os_string().into_vec());
    let mut target = target.unwrap_or_default();
    if target.ends_with(DELETED) {
        target.truncate(target.len() - DELETED.len());
    }
    target
}

/// Name, parent and start of `/proc/PID/stat`; none for a zombie. The name stands in parentheses
/// and may contain any byte, so the parser counts the other members from the last parenthesis on.
fn parse_stat(stat: &[u8]) -> Option<(Vec<u8>, u32, u64)> {
    let open = memchr::memchr(b'(', stat)?;
    let close = memchr::memrchr(b')', stat)?;
    let name = stat.get(open + 1..close)?.to_vec();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?; // field 3
    let ppid = fields.next()?.parse().ok()?;
    let ticks = fields.nth(17)?.parse().ok()?; // field 22
    (!matches!(state, "Z" | "X")).then_some((name, ppid, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_its_argv() {
        let me = std::process::id();
        let all = processes(Path::new("/proc"), true);
        let found = all.iter().find(|p| p.tgid == me).expect("this process");
        let argv0 = std::env::args().next().expect("argv[0]");
        assert!(found.argv.starts_with(argv0.as_bytes()));
        assert!(found.start_ticks > 0);
        let path = std::env::var("PATH").expect("a variable");
        let path = format!("PATH={path}\0");
        let path = memchr::memmem::find(found.env.as_deref().unwrap_or_default(), path.as_bytes());
        assert!(path.is_some(), "the environment");
        let path = |path: std::io::Result<std::path::PathBuf>| path.expect("its path");
        assert_eq!(
            found.exe,
            path(std::env::current_exe()).as_os_str().as_encoded_bytes()
        );
        assert_eq!(
            found.cwd,
            path(std::env::current_dir()).as_os_str().as_encoded_bytes()
        );
        assert!(all.iter().any(|p| p.tgid == found.ppid) || found.ppid == 0);
    }

    #[test]
    fn a_name_with_parentheses_and_blanks_is_parsed() {
        let stat = b"42 (a) b) (c) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9876 0 0";
        assert_eq!(parse_stat(stat), Some((b"a) b) (c".to_vec(), 7, 9876)));
    }

    #[test]
    fn a_zombie_is_no_process() {
        let mut child = std::process::Command::new("/bin/true")
            .spawn()
            .expect("a child");
        let proc = Path::new("/proc");
        let stat = proc.join(child.id().to_string()).join("stat");
        while !fs::read_to_string(&stat).expect("a child").contains(") Z ") {
            std::thread::yield_now();
        }
        assert_eq!(process(proc, child.id(), false), None);
        child.wait().expect("its end");
        assert_eq!(process(proc, child.id(), false), None);
    }

    #[test]
    fn nonsense_is_no_process() {
        for stat in [b"".as_slice(), b"1 (x", b"1 x) S", b"1 (x) S", b")("] {
            assert_eq!(parse_stat(stat), None);
        }
    }
}
