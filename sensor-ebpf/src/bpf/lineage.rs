//! Which program runs in which process: a fork inherits the program, an exec changes it.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_ebpf::{BackedUp, Image};

use super::{
    kernel::{load, off},
    maps::{IMAGES, with_key},
    preempt::program,
};

/// The program of a process. A process that started before the sensor stands for its own program.
#[inline(always)]
pub fn image_of(tgid: u32, leader: u64) -> Image {
    // SAFETY: the program copies the value at once; a torn copy could only occur if this process
    // executed a program on another CPU at this very moment.
    match with_key(tgid, |tgid| unsafe { IMAGES.get(tgid) }.copied()) {
        Some(image) => image,
        None => Image {
            time: 0,
            start: load(leader + off!(task_start_boottime)),
            tgid,
            marked: 0,
        },
    }
}

/// Records the program of a process.
#[inline(always)]
pub fn set_image(tgid: u32, image: &Image) {
    let _ = with_key(tgid, |tgid| IMAGES.insert(tgid, image, 0));
}

program! {
    /// `sched_process_fork(parent, child)`, in the parent's context. When the backup runs the child does
    /// not run yet, so its program is still that of the parent.
    #[btf_tracepoint(function = "sched_process_fork")]
    (process_fork, fork_backup)(ctx: BtfTracePointContext, copy) -> i32 {
        copy.run(BackedUp::Fork, || fork(ctx.arg(0), ctx.arg(1)));
    }
}

#[inline(always)]
fn fork(parent: u64, child: u64) {
    let tgid: u32 = load(child + off!(task_tgid));
    let pid: u32 = load(child + off!(task_pid));
    if tgid != pid {
        return; // a thread
    }
    let parent_tgid: u32 = load(parent + off!(task_tgid));
    let leader: u64 = load(parent + off!(task_group_leader));
    set_image(tgid, &image_of(parent_tgid, leader));
}
