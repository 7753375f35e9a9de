//! Steps about sockets. A step names a socket by its descriptor, which the test chooses.

use std::{
    ffi::CStr,
    io::{Write as _, stdout},
};

use anyhow::{Context as _, Result, bail};
use rustix::thread::UnshareFlags;

use crate::{
    address::{Address, endpoints, expect},
    attempt,
    place::{check, unshare},
    ring,
    steps::Steps,
};

/// Takes a step about sockets.
pub(crate) fn take(step: &str, steps: &mut Steps) -> Result<()> {
    match step {
        "pause" => pause(steps.number()?),
        "net-namespace" => net_namespace(),
        "socket" => socket(
            number(steps)?,
            [number(steps)?, number(steps)?, number(steps)?],
        ),
        "listen" => listen(number(steps)?, &address(steps)?, number(steps)?),
        "bind-socket" => bind(number(steps)?, &address(steps)?),
        "accept" => accept(number(steps)?, number(steps)?),
        "open" => open(number(steps)?, &steps.text()?),
        "write" => write(&steps.text()?, &steps.text()?),
        "close" => close(number(steps)?),
        "nonblocking" => nonblocking(number(steps)?),
        "wait-connected" => wait_connected(number(steps)?),
        "endpoints" => say(&endpoints(number(steps)?)?),
        "connect" => connect(number(steps)?, &address(steps)?, steps.number()?),
        "connect-bad-pointer" => bad_pointer(number(steps)?),
        "connect-at-the-edge" => at_the_edge(
            number(steps)?,
            &address(steps)?,
            steps.text()?.to_str()?.parse()?,
            steps.number()?,
        ),
        "connect-interrupted" => attempt::interrupted(
            number(steps)?,
            &address(steps)?,
            number(steps)?,
            steps.number()? != 0,
        ),
        "connect-rewritten" => attempt::rewritten(
            number(steps)?,
            &address(steps)?,
            &address(steps)?,
            number(steps)?,
        ),
        "connect-ring" => ring::connect(
            number(steps)?,
            &address(steps)?,
            steps.number()?,
            ring::Connector::Submitter,
        ),
        "connect-ring-worker" => ring::connect(
            number(steps)?,
            &address(steps)?,
            steps.number()?,
            ring::Connector::Worker,
        ),
        "send-fast-open" => attempt::send_to(number(steps)?, &address(steps)?),
        "send-message-fast-open" => attempt::send_message(number(steps)?, &address(steps)?),
        "send-unconnected" => attempt::send_unconnected(number(steps)?, &address(steps)?),
        "deny-connect" => attempt::deny(),
        _ => bail!("there is no such step"),
    }
}

fn number(steps: &mut Steps) -> Result<libc::c_int> {
    Ok(steps.number()?.cast_signed())
}

fn address(steps: &mut Steps) -> Result<Address> {
    Address::parse(steps.text()?.to_str()?)
}

/// Prints a line at once.
fn say(line: &str) -> Result<()> {
    println!("{line}");
    Ok(stdout().flush()?)
}

/// Waits that many milliseconds.
#[expect(
    clippy::unnecessary_wraps,
    reason = "a step among others, which can fail"
)]
fn pause(milliseconds: u32) -> Result<()> {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds.into()));
    Ok(())
}

/// Enters a network namespace with only the loopback device, which is up.
fn net_namespace() -> Result<()> {
    /// `IFF_UP`.
    const UP: libc::c_short = 1;
    unshare(UnshareFlags::NEWNET)?;
    // SAFETY: zeros are a valid request; the name fits, and the kernel reads the flags.
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l'.cast_signed() as libc::c_char;
        request.ifr_name[1] = b'o'.cast_signed() as libc::c_char;
        request.ifr_ifru.ifru_flags = UP;
        check(libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &raw const request)).context("lo up")?;
        check(libc::close(fd)).map(drop)
    }
}

/// Makes a socket of that family, type and protocol, as that descriptor.
fn socket(fd: libc::c_int, [family, kind, protocol]: [libc::c_int; 3]) -> Result<()> {
    // SAFETY: takes numbers; no descriptor of that number is in use.
    unsafe {
        let opened = check(libc::socket(family, kind, protocol))?;
        check(libc::dup3(opened, fd, libc::O_CLOEXEC))?;
        check(libc::close(opened)).map(drop)
    }
}

fn bind(fd: libc::c_int, address: &Address) -> Result<()> {
    // SAFETY: the address has as many bytes as it says.
    check(unsafe { libc::bind(fd, address.pointer(), address.len()) }).map(drop)
}

/// Makes a stream socket that listens at the address, as that descriptor.
fn listen(fd: libc::c_int, address: &Address, backlog: libc::c_int) -> Result<()> {
    let family = u16::from_ne_bytes([address.0[0], address.0[1]]);
    socket(fd, [family.into(), libc::SOCK_STREAM, 0])?;
    bind(fd, address)?;
    // SAFETY: takes numbers.
    check(unsafe { libc::listen(fd, backlog) }).map(drop)
}

/// Accepts a connection, as that descriptor.
fn accept(listener: libc::c_int, fd: libc::c_int) -> Result<()> {
    // SAFETY: the address may be null; no descriptor of that number is in use.
    unsafe {
        let opened = check(libc::accept(
            listener,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        ))?;
        check(libc::dup3(opened, fd, libc::O_CLOEXEC))?;
        check(libc::close(opened)).map(drop)
    }
}

/// Opens a file, as that descriptor.
fn open(fd: libc::c_int, path: &CStr) -> Result<()> {
    // SAFETY: the path ends with a zero byte; no descriptor of that number is in use.
    unsafe {
        let opened = check(libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC))?;
        check(libc::dup3(opened, fd, libc::O_CLOEXEC))?;
        check(libc::close(opened)).map(drop)
    }
}

/// Writes a text into an existing file.
fn write(path: &CStr, text: &CStr) -> Result<()> {
    let path = std::str::from_utf8(path.to_bytes())?;
    std::fs::write(path, text.to_bytes()).with_context(|| path.to_owned())
}

fn close(fd: libc::c_int) -> Result<()> {
    // SAFETY: a descriptor that only the steps use.
    check(unsafe { libc::close(fd) }).map(drop)
}

fn nonblocking(fd: libc::c_int) -> Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) }).map(drop)
}

/// Waits until a connection attempt has succeeded or failed.
fn wait_connected(fd: libc::c_int) -> Result<()> {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one entry is there.
    let ready = check(unsafe { libc::poll(&raw mut poll, 1, 10_000) })?;
    anyhow::ensure!(ready == 1, "not connected after ten seconds");
    Ok(())
}

/// Calls `connect`, which must return 0, or -1 and `errno`.
fn connect(fd: libc::c_int, address: &Address, errno: u32) -> Result<()> {
    // SAFETY: the address has as many bytes as it says.
    let answer = unsafe { libc::connect(fd, address.pointer(), address.len()) };
    expect(answer.into(), errno)
}

/// Calls `connect` with an address at the end of mapped memory, and a length that is `more`.
fn at_the_edge(fd: libc::c_int, address: &Address, more: u64, errno: u32) -> Result<()> {
    let page = rustix::param::page_size();
    let bytes = &address.0;
    anyhow::ensure!(bytes.len() <= page, "an address larger than a page");
    // SAFETY: two new pages, of which the second is taken away again; the address fits into the
    // end of the first, and the kernel checks the length.
    let answer = unsafe {
        let pages = libc::mmap(
            std::ptr::null_mut(),
            2 * page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        anyhow::ensure!(pages != libc::MAP_FAILED, "mmap");
        let edge = pages.cast::<u8>().add(page);
        check(libc::munmap(edge.cast(), page))?;
        let at = edge.sub(bytes.len());
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len());
        libc::syscall(libc::SYS_connect, fd, at, bytes.len() as u64 + more)
    };
    expect(answer, errno)
}

fn bad_pointer(fd: libc::c_int) -> Result<()> {
    // SAFETY: the kernel checks the pointer.
    let answer = unsafe { libc::syscall(libc::SYS_connect, fd, 8_usize, 16_usize) };
    expect(answer, libc::EFAULT.cast_unsigned())
}
