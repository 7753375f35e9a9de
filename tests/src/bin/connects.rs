//! A storm of connects: `connects WORKERS COUNT [CGROUP]`.
//!
//! Makes a network namespace with a loopback device, listens there on three
//! addresses, and lets each worker, a process, connect in turn: to where nobody
//! listens, to each of the listeners, and a UDP socket; all of them together COUNT
//! times. With CGROUP, the workers enter it first (its `cgroup.procs`). Prints the
//! nanoseconds that it took, and those that the workers were on a CPU.
#![expect(clippy::print_stdout, reason = "the caller reads the result")]

use std::{
    env, fs,
    io::Error,
    mem,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    os::fd::AsRawFd as _,
    process::ExitCode,
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};

/// Where somebody listens.
const ACCEPTED: [Ipv4Addr; 3] = [
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
];
const PORT: u16 = 8080;
/// Where nobody does.
const REFUSED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8081);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("connects: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .context("usage: connects WORKERS COUNT [CGROUP]")
    };
    let workers: u32 = next()?.parse()?;
    let count: u32 = next()?.parse()?;
    ensure!(
        workers > 0 && count.is_multiple_of(workers * 5),
        "COUNT is not a multiple of five times WORKERS"
    );
    if let Some(cgroup) = arguments.next() {
        fs::write(&cgroup, std::process::id().to_string()).with_context(|| cgroup)?;
    }
    network()?;
    for ip in ACCEPTED {
        let listener = TcpListener::bind((ip, PORT))?;
        // Room for all that waits while the other thread does not run; a connect
        // that finds none waits a second.
        // SAFETY: takes numbers.
        check(unsafe { libc::listen(listener.as_raw_fd(), 4096) })?;
        // The connections end at once: their ports are free again.
        thread::spawn(move || while listener.accept().is_ok() {});
    }
    let begin = Instant::now();
    let children: Result<Vec<_>> = (0..workers).map(|_| worker(count / workers)).collect();
    for child in children? {
        let mut status = 0;
        // SAFETY: the status is written to.
        let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
        ensure!(ended == child, Error::last_os_error());
        ensure!(status == 0, "a worker ended with wait status {status:#x}");
    }
    println!("{} {}", begin.elapsed().as_nanos(), cpu()?);
    Ok(())
}

/// Nanoseconds that the workers were on a CPU: what else the machine does hardly
/// changes them.
fn cpu() -> Result<i64> {
    // SAFETY: zeros are valid, and the kernel fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        check(libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage))?;
        usage
    };
    let of = |time: libc::timeval| (time.tv_sec * 1_000_000 + time.tv_usec) * 1000;
    Ok(of(usage.ru_utime) + of(usage.ru_stime))
}

/// A network namespace of its own, whose loopback device is up. A container has one
/// already, and may not make another one.
fn network() -> Result<()> {
    // SAFETY: affects this process alone.
    let unshared = check(unsafe { libc::unshare(libc::CLONE_NEWNET) });
    if Error::last_os_error().raw_os_error() == Some(libc::EPERM) && unshared.is_err() {
        return Ok(());
    }
    unshared.context("unshare")?;
    // SAFETY: zeros are a valid request; the name fits, and the kernel reads the flags.
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        let mut request: libc::ifreq = mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = libc::c_char::from_ne_bytes([*from]);
        }
        request.ifr_ifru.ifru_flags = 1; // IFF_UP
        check(libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &raw const request)).context("lo up")?;
        check(libc::close(fd)).map(drop)
    }
}

/// Starts a process that connects so many times.
fn worker(count: u32) -> Result<libc::pid_t> {
    // SAFETY: the child uses only its own memory and descriptors, no locks of threads.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()).context("fork"),
        0 => {
            let failed = storm(count)
                .inspect_err(|error| eprintln!("connects: {error:#}"))
                .is_err();
            // SAFETY: ends this process at once, without its parent's exit handlers.
            unsafe { libc::_exit(failed.into()) }
        }
        child => Ok(child),
    }
}

fn storm(count: u32) -> Result<()> {
    for _ in 0..count / 5 {
        connect(libc::SOCK_STREAM, REFUSED, libc::ECONNREFUSED)?;
        for ip in ACCEPTED {
            connect(libc::SOCK_STREAM, SocketAddrV4::new(ip, PORT), 0)?;
        }
        connect(libc::SOCK_DGRAM, REFUSED, 0)?;
    }
    Ok(())
}

/// A connect, whose result must be 0 or that errno, of a new socket, which is reset.
fn connect(kind: libc::c_int, to: SocketAddrV4, errno: libc::c_int) -> Result<()> {
    let address = libc::sockaddr_in {
        sin_family: 2,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*to.ip()).to_be(),
        },
        sin_zero: [0; 8],
    };
    let reset = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the pointers are to structures of the sizes that are given.
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, kind, 0))?;
        check(libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const reset).cast(),
            8,
        ))?;
        let answer = libc::connect(fd, (&raw const address).cast(), 16);
        let error = Error::last_os_error().raw_os_error().unwrap_or(0);
        let result = if answer == 0 { 0 } else { error };
        ensure!(result == errno, "errno {result} and not {errno} at {to}");
        check(libc::close(fd)).map(drop)
    }
}

/// Turns a C library's answer into a result.
fn check(answer: libc::c_int) -> Result<libc::c_int> {
    ensure!(answer >= 0, Error::last_os_error());
    Ok(answer)
}
