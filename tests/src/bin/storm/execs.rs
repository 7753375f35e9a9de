//! A storm of execs.

use std::{
    ffi::{CString, OsStr},
    fs::File,
    io::{BufWriter, Error, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    ptr,
};

use anyhow::Result;

use super::{Pace, in_child, wait};

/// One round of a worker.
pub(super) fn work(
    worker: u32,
    (rounds, pace): (u32, Pace),
    program: &Path,
    log: Option<&Path>,
) -> Result<()> {
    let mut log = match log {
        Some(log) => Some(BufWriter::new(File::create(format!(
            "{}.{worker}",
            log.display()
        ))?)),
        None => None,
    };
    if let Some(log) = &mut log {
        writeln!(log, "{}", std::process::id())?;
    }
    let path = CString::new(OsStr::as_bytes(program.as_os_str()))?;
    let worker = CString::new(worker.to_string())?;
    for round in 0..rounds {
        pace.wait(round);
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
            writeln!(log, "{}", child.as_raw_nonzero())?;
        }
    }
    Ok(log.map_or(Ok(()), |mut log| log.flush())?)
}
