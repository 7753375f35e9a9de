//! A child with fewer capabilities than its parent.

use std::{
    io::{Error, Result},
    os::unix::process::CommandExt as _,
    process::Command,
};

/// The capabilities of `deploy/kubernetes/components/least-privilege`, by their numbers in
/// include/uapi/linux/capability.h.
pub const LEAST_PRIVILEGE: &[u32] = &[
    2,  // CAP_DAC_READ_SEARCH
    19, // CAP_SYS_PTRACE
    38, // CAP_PERFMON
    39, // CAP_BPF
];
/// Capabilities that kernels before 5.11 need too: maps count against `RLIMIT_MEMLOCK` there.
pub const SYS_RESOURCE: u32 = 24;

/// Limits the capabilities of the child to these: after an exec, root has the capabilities of the
/// bounding set (capabilities(7)).
pub fn keep_only(command: &mut Command, capabilities: &[u32]) {
    let kept = capabilities.to_vec();
    // SAFETY: between fork and exec only system calls are made, and no memory is allocated.
    unsafe { command.pre_exec(move || drop_others(&kept)) };
}

fn drop_others(kept: &[u32]) -> Result<()> {
    for capability in (0..64_u32).filter(|capability| !kept.contains(capability)) {
        // SAFETY: takes numbers.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability)) } == 0 {
            continue;
        }
        let error = Error::last_os_error();
        // The kernel has no capability with that number, nor with a higher one.
        return match error.raw_os_error() {
            Some(libc::EINVAL) => Ok(()),
            _ => Err(error),
        };
    }
    Ok(())
}
