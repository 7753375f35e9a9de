//! argv and the environment of a process: strings back to back in the memory of the process.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use sensor_ebpf::ENV_LIMIT_MAX;

use super::record::{HEAD, LargeExecScratch};

/// How much of a range of user memory the record has.
#[derive(Clone, Copy)]
pub struct Captured {
    /// Bytes captured.
    pub len: u32,
    /// Whether the range was longer than the limit.
    pub truncated: bool,
    /// Whether the kernel could not read the range.
    pub unreadable: bool,
}

/// Appends argv: `start..end` of the process's memory, at most `limit` bytes.
#[inline(always)]
pub fn append_argv(
    record: &mut LargeExecScratch,
    start: u64,
    end: u64,
    limit: u32,
    capacity: u32,
) -> Captured {
    append(record, start, end, limit, capacity, HEAD)
}

/// Appends the environment, which follows argv.
#[inline(always)]
pub fn append_env(
    record: &mut LargeExecScratch,
    start: u64,
    end: u64,
    limit: u32,
    argv_capacity: u32,
) -> Captured {
    let most = HEAD + argv_capacity as usize;
    append(record, start, end, limit, ENV_LIMIT_MAX, most)
}

#[inline(always)]
fn append(
    record: &mut LargeExecScratch,
    start: u64,
    end: u64,
    limit: u32,
    capacity: u32,
    most: usize,
) -> Captured {
    let size = end.wrapping_sub(start);
    let mut len = size;
    if len > u64::from(limit) {
        len = u64::from(limit);
    }
    if len > u64::from(capacity) {
        len = u64::from(capacity);
    }
    let at = record.position();
    if at > most {
        return Captured {
            len: 0,
            truncated: false,
            unreadable: true,
        };
    }
    // SAFETY: `at <= most` and `len <= capacity`; the scratch has room for both.
    let failed = unsafe {
        bpf_probe_read_user(
            record.data.as_mut_ptr().add(at).cast(),
            len as u32,
            start as *const _,
        )
    } != 0;
    if failed {
        len = 0;
    }
    record.set_position(at + len as usize);
    Captured {
        len: len as u32,
        truncated: !failed && len < size,
        unreadable: failed,
    }
}
