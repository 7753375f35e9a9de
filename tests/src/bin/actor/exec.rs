//! The ways to execute a program.

use std::{
    env,
    ffi::{CStr, CString},
    fs,
    io::Error,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    ptr,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{MemfdFlags, Mode, OFlags};

use crate::place::check;

/// The environment of this process.
pub(crate) fn environment() -> Vec<CString> {
    let entry = |(mut name, value): (std::ffi::OsString, std::ffi::OsString)| {
        name.push("=");
        name.push(value);
        CString::new(name.into_vec()).ok()
    };
    env::vars_os().filter_map(entry).collect()
}

/// Pointers to the strings, and a null pointer.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// The error of a call that returned although it should have executed the program.
fn came_back(path: &CStr) -> anyhow::Error {
    anyhow::Error::from(Error::last_os_error()).context(format!("{path:?}"))
}

pub(crate) fn execve(path: &CStr, argv: &[CString], environment: &[CString]) -> Result<()> {
    let (argv, environment) = (pointers(argv), pointers(environment));
    // SAFETY: both lists end with a null pointer, and their strings live.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
    Err(came_back(path))
}

/// Executes with the argument list at that address, and with no environment.
fn with_argv_at(path: &CStr, address: usize) {
    // SAFETY: the kernel checks the pointers, and allows null ones.
    unsafe { libc::syscall(libc::SYS_execve, path.as_ptr(), address, 0_usize) };
}

/// `argv` is a null pointer: the kernel replaces it by one empty string (since 5.18).
pub(crate) fn null_argv(path: &CStr) -> Result<()> {
    with_argv_at(path, 0);
    Err(came_back(path))
}

/// As above; the call must fail with `errno`.
pub(crate) fn fail_null_argv(path: &CStr, errno: u32) -> Result<()> {
    with_argv_at(path, 0);
    expect(path, errno)
}

/// `argv` points to unmapped memory; the call must fail with `errno`.
pub(crate) fn bad_argv(path: &CStr, errno: u32) -> Result<()> {
    with_argv_at(path, 8);
    expect(path, errno)
}

pub(crate) fn execveat(directory: &CStr, name: &CStr, argv: &[CString]) -> Result<()> {
    let directory = rustix::fs::open(directory, OFlags::PATH, Mode::empty())?;
    at(&directory, name, argv, 0);
    Err(came_back(name))
}

/// An open file, by `execveat` with an empty path, as `fexecve` does it.
pub(crate) fn descriptor(path: &CStr, argv: &[CString]) -> Result<()> {
    let file = rustix::fs::open(path, OFlags::RDONLY, Mode::empty())?;
    at(&file, c"", argv, libc::AT_EMPTY_PATH);
    Err(came_back(path))
}

fn at(directory: &OwnedFd, name: &CStr, argv: &[CString], flags: libc::c_int) {
    let (argv, environment) = (pointers(argv), [ptr::null::<libc::c_char>()]);
    // SAFETY: both lists end with a null pointer, and their strings live.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            directory.as_raw_fd(),
            name.as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            flags,
        )
    };
}

/// A memfd with the content of `from`.
fn memory_file(name: &CStr, from: &CStr) -> Result<OwnedFd> {
    let file = rustix::fs::memfd_create(name, MemfdFlags::empty())?;
    let from = std::ffi::OsStr::from_bytes(from.to_bytes());
    let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    ensure!(
        rustix::io::write(&file, &content)? == content.len(),
        "a short write"
    );
    Ok(file)
}

pub(crate) fn memfd(name: &CStr, from: &CStr, argv: &[CString]) -> Result<()> {
    at(&memory_file(name, from)?, c"", argv, libc::AT_EMPTY_PATH);
    Err(came_back(name))
}

pub(crate) fn memfd_by_proc(name: &CStr, from: &CStr, argv: &[CString]) -> Result<()> {
    let file = memory_file(name, from)?;
    execve(
        &CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?,
        argv,
        &[],
    )
}

/// `posix_spawn`, which shares memory with the child as `vfork` does.
pub(crate) fn spawn(path: &CStr, argv: &[CString]) -> Result<()> {
    let (argv, mut child) = (pointers(argv), 0);
    let environment = [ptr::null_mut()];
    // SAFETY: both lists end with a null pointer, and their strings live.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut child,
            path.as_ptr(),
            ptr::null(),
            ptr::null(),
            argv.as_ptr().cast(),
            environment.as_ptr(),
        )
    };
    ensure!(error == 0, Error::from_raw_os_error(error));
    wait(child)
}

/// A call that must fail with `errno`.
pub(crate) fn fail(path: &CStr, errno: u32, argv: &[CString]) -> Result<()> {
    let _ = execve(path, argv, &[]);
    expect(path, errno)
}

/// As above, by `execveat`.
pub(crate) fn fail_at(path: &CStr, errno: u32, argv: &[CString]) -> Result<()> {
    let here = rustix::fs::open(".", OFlags::PATH, Mode::empty())?;
    at(&here, path, argv, 0);
    expect(path, errno)
}

fn expect(path: &CStr, errno: u32) -> Result<()> {
    let error = Error::last_os_error();
    if error.raw_os_error() == i32::try_from(errno).ok() {
        return Ok(());
    }
    bail!("{path:?}: {error}, and not errno {errno}")
}

/// Waits for a child, which must succeed.
pub(crate) fn wait(child: libc::pid_t) -> Result<()> {
    let mut status = 0;
    // SAFETY: the status is written to.
    check(unsafe { libc::waitpid(child, &raw mut status, 0) })?;
    ensure!(status == 0, "the child ended with wait status {status:#x}");
    Ok(())
}
