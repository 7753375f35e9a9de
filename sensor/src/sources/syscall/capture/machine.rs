//! What the machine has and allows, before the programs are loaded.

use std::fs;

/// Raises the limit of locked memory, against which kernels before 5.11 count maps. A refusal is no
/// error here: the load of the programs then fails with its own error.
pub(super) fn raise_memlock() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let _ = setrlimit(
        Resource::Memlock,
        Rlimit {
            current: None,
            maximum: None,
        },
    );
}

/// The largest number of CPUs that the machine can have, by which scratch memory is indexed.
pub(super) fn possible_cpus() -> u32 {
    let text = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    text.trim()
        .split([',', '-'])
        .filter_map(|n| n.parse::<u32>().ok())
        .max()
        .map_or_else(
            || {
                std::thread::available_parallelism()
                    .map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
            },
            |highest| highest + 1,
        )
}
