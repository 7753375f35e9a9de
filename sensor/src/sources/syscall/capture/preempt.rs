//! On which hooks the kernel can preempt programs.
//!
//! Linux 7.0 made tracepoints preemptible (upstream commits a46023d5616e "tracing: Guard
//! `__DECLARE_TRACE()` use of `__DO_TRACE_CALL()` with SRCU-fast" and f7d327654b88 "bpf: Have
//! `__bpf_trace_run()` use `rcu_read_lock_dont_migrate()`"), and 7.2 made those of system calls
//! preemptible (`trace_call_bpf_faultable` in `kernel/trace/bpf_trace.c`). The kernel skips a
//! preempted program for the other tasks of its CPU until the program goes on.
//!
//! Programs on functions have been preemptible since 5.12, where `__bpf_prog_enter` of
//! `kernel/bpf/trampoline.c` forbids a task only to move to another CPU, if the kernel itself is
//! preemptible.

use std::fs;

use sensor_ebpf::preempted;

/// The first kernel that can preempt programs on tracepoints.
const TRACEPOINTS: (u32, u32) = (7, 0);
/// The first kernel that can preempt programs on functions.
const FUNCTIONS: (u32, u32) = (5, 12);
/// Where a kernel says whether it is preemptible, if it decides at its boot.
const MODEL: &str = "/sys/kernel/debug/sched/preempt";

/// The hooks on which a kernel of that version can preempt programs, bits of [`sensor_ebpf::preempted`].
pub(super) fn preempted(version: (u32, u32)) -> u32 {
    let mut hooks = 0;
    if version >= TRACEPOINTS {
        hooks |= preempted::TRACEPOINTS;
    }
    if version >= FUNCTIONS && is_preemptible() {
        hooks |= preempted::FUNCTIONS;
    }
    hooks
}

/// Whether the running kernel may be preemptible.
fn is_preemptible() -> bool {
    let uname = rustix::system::uname();
    let model = fs::read_to_string(MODEL).ok();
    may_preempt(&uname.version().to_string_lossy(), model.as_deref())
}

/// Whether a kernel may be preemptible, by its build (`uname -v`) and by the model that it chose at
/// boot, for example `none (voluntary) full`.
fn may_preempt(build: &str, model: Option<&str>) -> bool {
    build.contains("PREEMPT")
        && !model.is_some_and(|model| model.contains("(none)") || model.contains("(voluntary)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_preemptible_if_its_build_or_its_boot_says_so() {
        let dynamic = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1";
        assert!(!may_preempt("#1 SMP Debian 5.10.0", None));
        assert!(may_preempt("#1 SMP PREEMPT Debian", None));
        assert!(may_preempt(dynamic, None));
        assert!(!may_preempt(dynamic, Some("none (voluntary) full\n")));
        assert!(!may_preempt(dynamic, Some("(none) voluntary full\n")));
        assert!(may_preempt(dynamic, Some("none voluntary full (lazy)\n")));
    }
}
