//! Where the sensor itself runs: its own cgroup and that of the first process of its pid namespace,
//! with their numbers in the kernel. No process can read these by other means, since a namespace
//! shows a process only what is below the namespace's root.
//!
//! User space runs this program by hand (`BPF_PROG_TEST_RUN`), once and before it attaches any other
//! program, and takes the two records from the ring buffer.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use sensor_ebpf::{Call, Kind, Task, task_flag};

use super::{
    cgroup,
    kernel::{current_task, load, off},
    maps::{SCRATCH_CALL, element},
    record::{HEAD, Record},
};

/// Writes the records of the sensor and of the first process of its pid namespace.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn own_place(_: RawTracePointContext) -> i32 {
    let task = current_task();
    let nsproxy: u64 = load(task + off!(task_nsproxy));
    let pid_ns: u64 = load(nsproxy + off!(nsproxy_pid_ns));
    let first: u64 = load(pid_ns + off!(pid_ns_child_reaper));
    report(task);
    report(first);
    0
}

#[inline(always)]
fn report(task: u64) {
    let Some(pointer) = element(&SCRATCH_CALL, 0) else {
        return;
    };
    // SAFETY: no other program is attached yet that could use this scratch memory. The program
    // touches nothing beyond the head, and the verifier enforces that bound.
    let record: &mut Record<Call> = unsafe { &mut *pointer.as_ptr().cast() };
    record.begin(Kind::Setns);
    record.task = Task::default();
    record.fixed = Call::default();
    let parent: u64 = load(task + off!(task_real_parent));
    let node = cgroup::node_of(task);
    let key = cgroup::key_of(node);
    record.task.tgid = load(task + off!(task_tgid));
    record.task.ppid = load(parent + off!(task_tgid));
    record.task.cgroup_node = key.node;
    record.task.cgroup_id = key.id;
    if cgroup::append_names(record, node) {
        record.task.flags |= task_flag::CGROUP_COMPLETE;
    }
    record.task.cgroup_len = record.position() as u32;
    let _ = record.send(HEAD);
}
