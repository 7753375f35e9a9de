//! Maps that only the programs write are frozen: the kernel lets nobody else write to them any
//! more, root included (`map_freeze` of `kernel/bpf/syscall.c`, Linux 5.2). `THROTTLED` is not
//! among them: user space deletes from it to make room. What all were refused together is told
//! by `COUNTS`, which is.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{Ebpf, maps::Map};

use super::CaptureError;

/// `BPF_MAP_FREEZE` of include/uapi/linux/bpf.h.
const MAP_FREEZE: libc::c_long = 22;

/// What only programs ever write.
pub(super) const OF_PROGRAMS: &[&str] = &[
    "ATTEMPTS",
    "BUDGETS",
    "COUNTS",
    "DONE",
    "SCRATCH_ATTEMPT",
    "SCRATCH_CALL",
    "SCRATCH_CONNECT",
    "SCRATCH_EXEC",
    "SCRATCH_EXEC_LARGE",
    "SCRATCH_FAILED",
    "SCRATCH_FAILED_LARGE",
];

/// What only programs write once the existing processes are marked.
pub(super) const OF_PROGRAMS_LATER: &[&str] = &["IMAGES"];

/// Freezes maps of the object.
pub(super) fn freeze(bpf: &Ebpf, names: &[&'static str]) -> Result<(), CaptureError> {
    for &name in names {
        let map = bpf
            .map(name)
            .ok_or(CaptureError::Missing { what: "map", name })?;
        freeze_map(map).map_err(|source| CaptureError::Freeze { map: name, source })?;
    }
    Ok(())
}

fn freeze_map(map: &Map) -> io::Result<()> {
    let (Map::Array(data) | Map::LruHashMap(data)) = map else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    // `union bpf_attr`, as far as this command reads it.
    let map_fd = data.fd().as_fd().as_raw_fd();
    // SAFETY: the command reads as many bytes as it is given.
    let frozen = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            MAP_FREEZE,
            &raw const map_fd,
            size_of_val(&map_fd),
        )
    };
    if frozen == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
