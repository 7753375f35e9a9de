//! A storm of connects.

use std::{
    io::Error,
    mem,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    os::fd::AsRawFd as _,
    thread,
};

use anyhow::{Context as _, Result, ensure};

use super::{Pace, check};

/// The address of a listener.
const ACCEPTED: [Ipv4Addr; 3] = [
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
];
const PORT: u16 = 8080;
/// An address without a listener.
const REFUSED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8081);

/// Number of connects in one round.
pub(super) const ROUND: u32 = 5;

/// Makes the network namespace and the listeners.
pub(super) fn listen() -> Result<()> {
    network()?;
    for ip in ACCEPTED {
        let listener = TcpListener::bind((ip, PORT))?;
        // Room for all connections that wait while the other thread does not run; without room a
        // connect waits a second.
        // SAFETY: takes numbers.
        check(unsafe { libc::listen(listener.as_raw_fd(), 4096) })?;
        // The connections end at once, which frees their ports.
        thread::spawn(move || while listener.accept().is_ok() {});
    }
    Ok(())
}

/// Enters a new network namespace with the loopback device up. A container has its own already, and
/// is not allowed to make another one.
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

/// One round of a worker.
pub(super) fn work(rounds: u32, pace: Pace) -> Result<()> {
    for round in 0..rounds {
        pace.wait(round);
        connect(libc::SOCK_STREAM, REFUSED, libc::ECONNREFUSED)?;
        for ip in ACCEPTED {
            connect(libc::SOCK_STREAM, SocketAddrV4::new(ip, PORT), 0)?;
        }
        connect(libc::SOCK_DGRAM, REFUSED, 0)?;
    }
    Ok(())
}

/// A connect of a new socket, whose result must be 0 or that errno; the socket is reset afterwards.
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
