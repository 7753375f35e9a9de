//! The eBPF programs: what the kernel does for each exec, connect and plain system call.
//!
//! ```text
//! sched_process_fork ─▶ lineage       (which program runs in which process)
//! sched_process_exec ─▶ exec    ─┐
//! sys_exit_execve[at] ─▶ failed  ├─▶ filter ─▶ task, path, cgroup, argv ─▶ EVENTS
//! sys_exit_connect    ─▶ connect │    ▲ budget: how much of it each cgroup may have
//! sys_exit_*          ─▶ call   ─┘
//! (run once, by hand) ─▶ place ────────────────────────────────────────▶ EVENTS
//! ```
//!
//! The verifier's limits shape this code: results of reads are not branched on
//! (a failed read leaves zeroes), and the position at which a record grows lives
//! in map memory, not in a register (see `record`).
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    pub mod attempt;
    pub mod budget;
    pub mod call;
    pub mod cgroup;
    pub mod connect;
    pub mod count;
    pub mod exec;
    pub mod failed;
    pub mod figures;
    pub mod filter;
    pub mod given;
    pub mod kernel;
    pub mod lineage;
    #[cfg(feature = "log")]
    pub mod log;
    pub mod maps;
    pub mod path;
    pub mod place;
    pub mod preempt;
    pub mod record;
    pub mod regs;
    pub mod socket;
    pub mod strings;
    pub mod task;
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// On the host there is nothing to run; the crate compiles so that the usual
/// tools can look at it.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
