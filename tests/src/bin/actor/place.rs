//! Steps about the place and the credentials of the process.

use std::{
    ffi::CStr,
    io::{Error, Write as _, stdout},
    ptr,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::{
    fs::{self, AtFlags, CWD},
    mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change},
    process,
    thread::{self, UnshareFlags},
};

/// Turns the return value of a C library function into a result.
pub(crate) fn check(answer: libc::c_int) -> Result<libc::c_int> {
    ensure!(answer >= 0, Error::last_os_error());
    Ok(answer)
}

pub(crate) fn chdir(path: &CStr) -> Result<()> {
    process::chdir(path).with_context(|| format!("{path:?}"))
}

pub(crate) fn chroot(path: &CStr) -> Result<()> {
    process::chroot(path).with_context(|| format!("{path:?}"))
}

pub(crate) fn rmdir(path: &CStr) -> Result<()> {
    fs::unlinkat(CWD, path, AtFlags::REMOVEDIR).with_context(|| format!("{path:?}"))
}

pub(crate) fn unlink(path: &CStr) -> Result<()> {
    fs::unlink(path).with_context(|| format!("{path:?}"))
}

/// Enters a new mount namespace whose mounts no other process sees.
pub(crate) fn mount_namespace() -> Result<()> {
    unshare(UnshareFlags::NEWNS)?;
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", private).context("private mounts")
}

pub(crate) fn bind(from: &CStr, to: &CStr) -> Result<()> {
    mount_bind_recursive(from, to).with_context(|| format!("{from:?} at {to:?}"))
}

pub(crate) fn overlay(options: &CStr, at: &CStr) -> Result<()> {
    mount("overlay", at, "overlay", MountFlags::empty(), options)
        .with_context(|| format!("{options:?} at {at:?}"))
}

/// Makes a pid namespace for the children of this process.
pub(crate) fn pid_namespace() -> Result<()> {
    unshare(UnshareFlags::NEWPID)
}

pub(crate) fn unshare(flags: UnshareFlags) -> Result<()> {
    // SAFETY: neither descriptors nor signal handlers are unshared.
    unsafe { thread::unshare_unsafe(flags) }.with_context(|| format!("unshare {flags:?}"))
}

pub(crate) fn session() -> Result<()> {
    process::setsid().map(drop).context("setsid")
}

pub(crate) fn process_group() -> Result<()> {
    process::setpgid(None, None).context("setpgid")
}

/// Takes a new pseudo terminal as controlling terminal and prints its device number.
pub(crate) fn terminal() -> Result<()> {
    session()?;
    let (mut master, mut slave) = (0, 0);
    // SAFETY: the descriptors are written to; the other pointers may be null.
    check(unsafe {
        libc::openpty(
            &raw mut master,
            &raw mut slave,
            ptr::null_mut(),
            ptr::null(),
            ptr::null(),
        )
    })?;
    // SAFETY: the request takes a number.
    check(unsafe { libc::ioctl(slave, libc::TIOCSCTTY, 0) })?;
    // SAFETY: `openpty` has just opened it, and it stays open until exec.
    let slave = unsafe { std::os::fd::BorrowedFd::borrow_raw(slave) };
    println!("{}", fs::fstat(slave)?.st_rdev);
    Ok(stdout().flush()?)
}

pub(crate) fn rename(name: &CStr) -> Result<()> {
    thread::set_name(name).with_context(|| format!("{name:?}"))
}

pub(crate) fn user(uid: u32) -> Result<()> {
    // SAFETY: takes three numbers.
    check(unsafe { libc::setresuid(uid, uid, uid) }).map(drop)
}

pub(crate) fn group(gid: u32) -> Result<()> {
    // SAFETY: takes three numbers.
    check(unsafe { libc::setresgid(gid, gid, gid) }).map(drop)
}

/// Lowers the limit of the stack; argv may have a quarter of it.
pub(crate) fn stack_limit(bytes: u32) -> Result<()> {
    let limit = process::Rlimit {
        current: Some(bytes.into()),
        maximum: None,
    };
    let maximum = process::getrlimit(process::Resource::Stack).maximum;
    process::setrlimit(
        process::Resource::Stack,
        process::Rlimit { maximum, ..limit },
    )
    .context("setrlimit")
}

/// Enters a cgroup, by its `cgroup.procs`.
pub(crate) fn enter_cgroup(procs: &CStr) -> Result<()> {
    let path = procs.to_str()?;
    std::fs::write(path, std::process::id().to_string()).with_context(|| path.to_owned())
}

/// Overwrites the memory that `/proc/self/cmdline` shows, as programs do that hide.
pub(crate) fn rewrite_argv() -> Result<()> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(") ").context("a name in brackets")?;
    let field = |number: usize| -> Result<usize> {
        // proc_pid_stat(5) counts from 1, and two fields stand before.
        let text = after_name.split(' ').nth(number - 3);
        Ok(text.context("fields of stat")?.parse()?)
    };
    let (first, end) = (field(48)?, field(49)?);
    ensure!(first < end, "argv is empty");
    // SAFETY: these bytes are this process's argv, which nothing here refers to any more.
    unsafe { ptr::write_bytes(first as *mut u8, b'x', end - first - 1) };
    let shown = std::fs::read("/proc/self/cmdline")?;
    ensure!(shown.starts_with(b"xxx"), "argv was not rewritten");
    Ok(())
}

/// Forks that many children that end at once, a hundred at a time.
pub(crate) fn forks(count: u32) -> Result<()> {
    for batch in 0..count.div_ceil(100) {
        for _ in 0..(count - batch * 100).min(100) {
            // SAFETY: this process has one thread, and the child only ends.
            match unsafe { libc::fork() } {
                -1 => return Err(Error::last_os_error()).context("fork"),
                // SAFETY: ends this process at once.
                0 => unsafe { libc::_exit(0) },
                _ => {}
            }
        }
        // SAFETY: the status is not asked for.
        while unsafe { libc::wait(ptr::null_mut()) } > 0 {}
    }
    Ok(())
}

/// Waits until the process has another parent than `parent`.
pub(crate) fn wait_for_another_parent(parent: u32) -> Result<()> {
    for _ in 0..5_000 {
        if std::os::unix::process::parent_id() != parent {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    bail!("the parent still lives after five seconds")
}
