//! What the kernel's socket structure holds: family, state, addresses.

use sensor_ebpf::{ABSENT, Connect};

use super::kernel::{Reader, kread, load, off};

/// Address families (include/linux/socket.h).
pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
/// The format bits in an inode's mode, and their value for a socket.
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

/// What a file descriptor refers to.
#[derive(Clone, Copy)]
pub struct Descriptor {
    /// Address of the `struct file` (0: not open).
    pub file: u64,
    /// Address of the `struct sock` (0: not a socket).
    pub sock: u64,
    /// Inode number.
    pub inode: u64,
    /// Type of the socket.
    pub socket_type: u16,
}

/// Looks a descriptor up in the task's table.
#[inline(always)]
pub fn descriptor(task: u64, fd: i32) -> Descriptor {
    let mut out = Descriptor {
        file: 0,
        sock: 0,
        inode: 0,
        socket_type: 0,
    };
    let files: u64 = load(task + off!(task_files));
    let table: u64 = load(files + off!(files_fdt));
    let size: u32 = load(table + off!(fdtable_max_fds));
    if fd < 0 || fd as u32 >= size {
        return out;
    }
    let array: u64 = load(table + off!(fdtable_fd));
    out.file = kread(array + 8 * u64::from(fd as u32));
    let inode: u64 = kread(out.file + off!(file_f_inode));
    let mode: u16 = kread(inode + off!(inode_i_mode));
    if out.file == 0 || mode & S_IFMT != S_IFSOCK {
        return out;
    }
    out.inode = kread(inode + off!(inode_i_ino));
    let socket: u64 = kread(out.file + off!(file_private_data));
    out.socket_type = kread(socket + off!(socket_type));
    out.sock = kread(socket + off!(socket_sk));
    out
}

/// Fills in both endpoints and the state from the kernel's socket.
#[inline(always)]
pub fn fill<By: Reader>(out: &mut Connect, sock: u64) {
    let family: u16 = By::read(sock + off!(sock_family));
    let state: u8 = By::read(sock + off!(sock_state));
    out.family = family;
    out.state = u16::from(state);
    // The member has 16 bits since 5.6. Kernels with 8 bits in the same place lack BTF or ring
    // buffers, so the sensor does not run there.
    out.protocol = By::read(sock + off!(sock_protocol));
    let port: u16 = By::read(sock + off!(sock_dport));
    if family == AF_INET {
        out.remote_port = u16::from_be(port);
        out.local_port = By::read(sock + off!(sock_num));
        let remote: u32 = By::read(sock + off!(sock_daddr));
        let remote = remote.to_ne_bytes();
        // The source address that the kernel chose; the bound address is 0 until then.
        let local: [u8; 4] = kread(sock + off!(inet_saddr));
        let (remote_out, local_out) = (&mut out.remote, &mut out.local);
        (remote_out[0], remote_out[1], remote_out[2], remote_out[3]) =
            (remote[0], remote[1], remote[2], remote[3]);
        (local_out[0], local_out[1], local_out[2], local_out[3]) =
            (local[0], local[1], local[2], local[3]);
    } else if family == AF_INET6 && off!(sock_v6_daddr) != u64::from(ABSENT) {
        out.remote_port = u16::from_be(port);
        out.local_port = By::read(sock + off!(sock_num));
        out.remote = kread(sock + off!(sock_v6_daddr));
        out.local = kread(sock + off!(sock_v6_rcv_saddr));
    }
}

/// Whether an address is a loopback address: 127.0.0.0/8, `::1`, or an IPv4 loopback address mapped
/// into IPv6.
#[inline(always)]
pub fn is_loopback(family: u16, address: &[u8; 16]) -> bool {
    let high = u64::from_be_bytes([
        address[0], address[1], address[2], address[3], address[4], address[5], address[6],
        address[7],
    ]);
    let low = u64::from_be_bytes([
        address[8],
        address[9],
        address[10],
        address[11],
        address[12],
        address[13],
        address[14],
        address[15],
    ]);
    match family {
        AF_INET => address[0] == 127,
        AF_INET6 => high == 0 && (low == 1 || low >> 24 == 0xff_ff7f),
        _ => false,
    }
}
