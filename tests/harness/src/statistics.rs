//! The kernel's statistics of BPF programs.

use std::{
    io::{Error, Result},
    os::fd::{FromRawFd as _, OwnedFd},
};

/// `BPF_ENABLE_STATS` of include/uapi/linux/bpf.h.
const ENABLE_STATS: libc::c_int = 32;
/// `BPF_STATS_RUN_TIME` of the same file.
const RUN_TIME: u32 = 0;

/// The statistics are on while anybody has a value of this type.
///
/// The kernel counts the open descriptors that enable the statistics, whereas
/// `/proc/sys/kernel/bpf_stats_enabled` is one switch for all: setting the switch back would end
/// the statistics of everybody else on the machine.
#[derive(Debug)]
pub struct Statistics {
    _descriptor: OwnedFd,
}

impl Statistics {
    /// Switches the statistics on.
    ///
    /// *Minimum kernel version*: 5.8.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn on() -> Result<Self> {
        let kind = RUN_TIME;
        // SAFETY: the kernel reads as many bytes as the argument says, the first member of its `union
        // bpf_attr`, and returns a descriptor that nobody else owns.
        unsafe {
            let descriptor = libc::syscall(
                libc::SYS_bpf,
                ENABLE_STATS,
                &raw const kind,
                size_of_val(&kind),
            );
            let descriptor = i32::try_from(descriptor).unwrap_or(-1);
            if descriptor < 0 {
                return Err(Error::last_os_error());
            }
            Ok(Self {
                _descriptor: OwnedFd::from_raw_fd(descriptor),
            })
        }
    }
}
