//! The arguments that the caller gave to `connect`.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use sensor_ebpf::{Connect, connect_flag};

use super::{
    record::{HEAD, Record},
    regs::{Regs, uread},
    socket::{AF_INET, AF_INET6},
};

/// Bytes of `sun_path`.
const PATH_MAX: usize = 108;
/// Sizes of socket addresses. The kernel refuses a shorter address.
const SOCKADDR_IN: u64 = 16;
const SOCKADDR_IN6: u64 = 24; // SIN6_LEN_RFC2133: without the scope

/// Numbers of the system calls.
#[cfg(bpf_target_arch = "x86_64")]
mod number {
    pub const CONNECT: u32 = 42;
    pub const COMPAT_CONNECT: u32 = 362;
    pub const COMPAT_SOCKETCALL: Option<u32> = Some(102);
}
#[cfg(bpf_target_arch = "aarch64")]
mod number {
    pub const CONNECT: u32 = 203;
    pub const COMPAT_CONNECT: u32 = 283;
    /// On this architecture 32-bit programs have no such system call.
    pub const COMPAT_SOCKETCALL: Option<u32> = None;
}
/// `SYS_CONNECT` of `socketcall`.
const SOCKETCALL_CONNECT: u64 = 3;

/// A call of `connect`, at its exit.
#[derive(Clone, Copy)]
pub struct Call {
    /// The descriptor (-1: an attempt without such a call).
    pub fd: i32,
    /// The address of the socket address in the caller's memory.
    pub address: u64,
    /// Bytes of the socket address, as the caller gave them.
    pub len: u64,
    /// What the call returned.
    pub result: i64,
    /// Whether it is a 32-bit call.
    pub compat: bool,
}

/// Whether a call of that number, native or of 32 bits, may be one that connects.
#[inline(always)]
pub fn may_be_connect(number: u32) -> bool {
    matches!(number, number::CONNECT | number::COMPAT_CONNECT)
        || Some(number) == number::COMPAT_SOCKETCALL
}

/// Whether the system call is a native `connect`.
#[inline(always)]
pub fn is_connect(regs: &Regs) -> bool {
    regs.syscall() == number::CONNECT
}

/// Whether the 32-bit system call connects.
#[inline(always)]
pub fn is_compat_connect(regs: &Regs) -> bool {
    let syscall = regs.syscall();
    syscall == number::COMPAT_CONNECT
        || (Some(syscall) == number::COMPAT_SOCKETCALL && regs.argument(0) == SOCKETCALL_CONNECT)
}

impl Call {
    /// Reads a native call from its registers.
    #[inline(always)]
    pub fn native(regs: &Regs, result: i64) -> Self {
        Self {
            fd: regs.argument(0) as i32,
            address: regs.argument(1),
            // The kernel takes an `int`, and ignores the bits above.
            len: u64::from(regs.argument(2) as u32),
            result,
            compat: false,
        }
    }

    /// Reads a 32-bit call from its registers, see [`is_compat_connect`].
    #[inline(always)]
    pub fn compat(regs: &Regs, result: i64) -> Self {
        let arguments = if regs.syscall() == number::COMPAT_CONNECT {
            [
                regs.argument(0) as u32,
                regs.argument(1) as u32,
                regs.argument(2) as u32,
            ]
        } else {
            uread::<[u32; 3]>(regs.argument(1)).unwrap_or([u32::MAX, 0, 0])
        };
        Self {
            fd: arguments[0] as i32,
            address: u64::from(arguments[1]),
            len: u64::from(arguments[2]),
            result,
            compat: true,
        }
    }

    /// Reads the address that the caller gave into `out`.
    #[inline(always)]
    pub fn read_address(&self, out: &mut Connect) {
        out.given_len = self.len as u32;
        if self.len < 2 {
            return;
        }
        let Some(family) = uread::<u16>(self.address) else {
            out.flags |= connect_flag::GIVEN_UNREADABLE;
            return;
        };
        if family == AF_INET {
            if self.len < SOCKADDR_IN {
                return;
            }
            let Some(bytes) = uread::<[u8; 8]>(self.address) else {
                out.flags |= connect_flag::GIVEN_UNREADABLE;
                return;
            };
            out.given_port = u16::from_be_bytes([bytes[2], bytes[3]]);
            out.given[0] = bytes[4];
            out.given[1] = bytes[5];
            out.given[2] = bytes[6];
            out.given[3] = bytes[7];
        } else if family == AF_INET6 {
            if self.len < SOCKADDR_IN6 {
                return;
            }
            let port = uread::<u16>(self.address + 2);
            let address = uread::<[u8; 16]>(self.address + 8);
            if let (Some(port), Some(address)) = (port, address) {
                out.given_port = u16::from_be(port);
                out.given = address;
            } else {
                out.flags |= connect_flag::GIVEN_UNREADABLE;
                return;
            }
        }
        out.given_family = family;
    }

    /// Appends the name of a unix socket.
    #[inline(always)]
    pub fn append_path(&self, record: &mut Record<Connect>) {
        let start = record.position();
        // Read from the record: the program has compared this length, and with the length in a
        // register the verifier would check all code in between once for each outcome.
        let given = record.given_len();
        if given <= 2 || start > HEAD - PATH_MAX {
            return;
        }
        let mut len = given - 2;
        if len > PATH_MAX as u32 {
            len = PATH_MAX as u32;
        }
        // SAFETY: `start + PATH_MAX` is in `data`.
        let failed = unsafe {
            bpf_probe_read_user(
                record.data.as_mut_ptr().add(start).cast(),
                len,
                (self.address + 2) as *const _,
            )
        };
        if failed == 0 {
            record.set_position(start + len as usize);
            record.fixed.path_len = len;
        } else {
            record.fixed.flags |= connect_flag::GIVEN_UNREADABLE;
        }
    }
}
