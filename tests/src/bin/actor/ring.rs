//! `connect` through `io_uring`, by its three raw system calls.

use std::{io::Error, ptr};

use anyhow::{Context as _, Result, ensure};

use crate::{address::Address, place::check};

/// Where the submission entries are mapped (`IORING_OFF_SQES`).
const ENTRIES: libc::off_t = 0x1000_0000;
/// `IORING_OP_CONNECT`.
const CONNECT: u8 = 16;
/// `IOSQE_ASYNC`: a worker thread of the kernel makes the call.
const ASYNC: u8 = 1 << 4;
/// `IORING_ENTER_GETEVENTS`.
const WAIT: u32 = 1;

/// Which thread makes the attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connector {
    /// The thread that submits the request.
    Submitter,
    /// A worker of the kernel.
    Worker,
}

/// Connects through `io_uring` and waits for the result, which must be 0 or that errno.
pub(crate) fn connect(fd: libc::c_int, address: &Address, errno: u32, by: Connector) -> Result<()> {
    // `struct io_uring_params`, as 32-bit words.
    let mut params = [0_u32; 30];
    // SAFETY: the kernel writes the parameters, 120 bytes.
    let ring = check(libc::c_int::try_from(unsafe {
        libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr())
    })?)
    .context("io_uring_setup")?;
    let (sq_tail, sq_array) = (params[11] as usize, params[16] as usize);
    let cq_entries = params[25] as usize;
    let len = (sq_array + 4 * params[0] as usize).max(cq_entries + 16 * params[1] as usize);
    let rings = map(ring, len, 0)?;
    let entry = map(ring, 64 * params[0] as usize, ENTRIES)?;
    let first = u64::from(CONNECT)
        | u64::from(if by == Connector::Worker { ASYNC } else { 0 }) << 8
        | u64::from(fd.cast_unsigned()) << 32;
    let words = rings.cast::<u32>();
    // SAFETY: the offsets are those that the kernel gave, in what was mapped; nobody else
    // submits, so the first entry of each ring is the one.
    let result = unsafe {
        entry.write(first);
        entry.add(1).write(address.len().into());
        entry.add(2).write(address.pointer() as u64);
        words.add(sq_array / 4).write(0);
        words.add(sq_tail / 4).write_volatile(1);
        let entered = libc::syscall(libc::SYS_io_uring_enter, ring, 1, 1, WAIT, 0_usize, 0_usize);
        ensure!(entered == 1, Error::last_os_error());
        words.add(cq_entries / 4 + 2).cast::<i32>().read_volatile()
    };
    ensure!(
        result == -errno.cast_signed(),
        "{}, and not errno {errno}",
        Error::from_raw_os_error(-result)
    );
    Ok(())
}

fn map(ring: libc::c_int, len: usize, offset: libc::off_t) -> Result<*mut u64> {
    // SAFETY: a new mapping, which stays until the process ends.
    let at = unsafe {
        libc::mmap(
            ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            ring,
            offset,
        )
    };
    ensure!(at != libc::MAP_FAILED, Error::last_os_error());
    Ok(at.cast())
}
