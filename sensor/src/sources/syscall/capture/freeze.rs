//! Freezes the maps that only the eBPF programs write: the kernel then refuses writes from user
//! space, also those of root (`map_freeze` of `kernel/bpf/syscall.c`, Linux 5.2). `THROTTLED` stays
//! writable, since user space removes entries to make room. The sums of all throttled events are in
//! `COUNTS`, which is frozen.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{Ebpf, maps::Map};

use super::CaptureError;

/// `BPF_MAP_FREEZE` of include/uapi/linux/bpf.h.
const MAP_FREEZE: libc::c_long = 22;

/// The maps that only programs ever write.
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

/// The maps that only programs write once the sensor has marked the existing processes.
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
    // `union bpf_attr`, up to the last member that this command reads.
    let map_fd = data.fd().as_fd().as_raw_fd();
    // SAFETY: the command reads as many bytes as the caller states.
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
