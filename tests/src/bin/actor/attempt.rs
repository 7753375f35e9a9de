//! Connection attempts that are interrupted, denied, made by another call, or whose address another
//! thread rewrites.

use std::{io::Error, mem, ptr, thread, time::Duration};

use anyhow::{Result, bail, ensure};

use crate::{
    address::{Address, expect},
    place::check,
};

/// Pause of the other thread before it interferes.
const A_MOMENT: Duration = Duration::from_millis(150);

/// A connect to a listener with a full queue, which a signal interrupts. With `restart` the kernel
/// restarts the call, and the listener makes room then.
pub(crate) fn interrupted(
    fd: libc::c_int,
    address: &Address,
    listener: libc::c_int,
    restart: bool,
) -> Result<()> {
    extern "C" fn handler(_: libc::c_int) {}
    // SAFETY: zeros are a valid action, and the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = if restart { libc::SA_RESTART } else { 0 };
        check(libc::sigaction(
            libc::SIGUSR1,
            &raw const action,
            ptr::null_mut(),
        ))?;
    }
    // SAFETY: takes nothing.
    let this = unsafe { libc::pthread_self() };
    let other = thread::spawn(move || {
        thread::sleep(A_MOMENT);
        // SAFETY: that thread waits for this one.
        unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
        thread::sleep(A_MOMENT);
        // SAFETY: the addresses may be null.
        check(unsafe { libc::accept(listener, ptr::null_mut(), ptr::null_mut()) })
    });
    // SAFETY: the address has as many bytes as it says.
    let answer = unsafe { libc::connect(fd, address.pointer(), address.len()) };
    let errno = if restart { 0 } else { libc::EINTR };
    let result = expect(answer.into(), errno.cast_unsigned());
    match other.join() {
        Ok(accepted) => result.and(accepted.map(drop)),
        Err(_) => bail!("the thread panicked"),
    }
}

/// A connect to a listener with a full queue. Another thread changes the address of the call and
/// closes the listener meanwhile: the connect is refused.
pub(crate) fn rewritten(
    fd: libc::c_int,
    address: &Address,
    instead: &Address,
    listener: libc::c_int,
) -> Result<()> {
    let shared = address.clone();
    let (to, len) = (shared.0.as_ptr() as usize, shared.0.len());
    let instead = instead.clone();
    let other = thread::spawn(move || {
        thread::sleep(A_MOMENT);
        // SAFETY: the other thread holds the memory until this one ends, and waits in the
        // kernel meanwhile; both addresses have as many bytes.
        unsafe {
            ptr::copy_nonoverlapping(instead.0.as_ptr(), to as *mut u8, len.min(instead.0.len()));
            libc::close(listener)
        }
    });
    // SAFETY: the address has as many bytes as it says.
    let answer = unsafe { libc::connect(fd, shared.pointer(), shared.len()) };
    let result = expect(answer.into(), libc::ECONNREFUSED.cast_unsigned());
    ensure!(other.join().is_ok(), "the thread panicked");
    drop(shared);
    result
}

/// TCP fast open: the connection begins with the first bytes of data.
pub(crate) fn send_to(fd: libc::c_int, address: &Address) -> Result<()> {
    send(fd, address, libc::MSG_FASTOPEN)
}

/// Sends a datagram on an unconnected socket.
pub(crate) fn send_unconnected(fd: libc::c_int, address: &Address) -> Result<()> {
    send(fd, address, 0)
}

fn send(fd: libc::c_int, address: &Address, flags: libc::c_int) -> Result<()> {
    // SAFETY: the address has as many bytes as it says, and so has the text.
    let sent = unsafe {
        libc::sendto(
            fd,
            b"hello".as_ptr().cast(),
            5,
            flags,
            address.pointer(),
            address.len(),
        )
    };
    ensure!(sent == 5, Error::last_os_error());
    Ok(())
}

/// As [`send_to`], by `sendmsg`.
pub(crate) fn send_message(fd: libc::c_int, address: &Address) -> Result<()> {
    let mut part = libc::iovec {
        iov_base: b"hello".as_ptr().cast_mut().cast(),
        iov_len: 5,
    };
    // SAFETY: zeros are a valid message; it points to the address and to one part.
    let sent = unsafe {
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_name = address.pointer().cast_mut().cast();
        message.msg_namelen = address.len();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        libc::sendmsg(fd, &raw const message, libc::MSG_FASTOPEN)
    };
    ensure!(sent == 5, Error::last_os_error());
    Ok(())
}

/// Makes seccomp answer every later `connect` of this process with EPERM.
pub(crate) fn deny() -> Result<()> {
    /// Load the word at an offset; jump if equal; return.
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = u32::try_from(libc::SYS_connect)?;
    let mut filter = [
        step(LOAD, 0, 0, 0),
        step(EQUAL, 0, 1, number),
        step(
            RETURN,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned(),
        ),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program has as many steps as it says.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        ))
        .map(drop)
    }
}
