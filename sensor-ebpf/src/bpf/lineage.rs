//! Which program runs in which process: a fork inherits it, an exec changes it.

use aya_ebpf::{EbpfContext as _, macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_ebpf::{Image, Relieved};

use super::{
    kernel::{load, off},
    maps::IMAGES,
    preempt::{first, relief_if},
};

/// The program of a process: of one that was there before the sensor, itself.
#[inline(always)]
pub fn image_of(tgid: u32, leader: u64) -> Image {
    // SAFETY: the value is copied at once; a torn copy could only come of this
    // process executing at this very moment on another CPU.
    match unsafe { IMAGES.get(&tgid) } {
        Some(image) => *image,
        None => Image {
            time: 0,
            start: load(leader + off!(task_start_boottime)),
            tgid,
            marked: 0,
        },
    }
}

/// Remembers the program of a process.
#[inline(always)]
pub fn set_image(tgid: u32, image: &Image) {
    let _ = IMAGES.insert(&tgid, image, 0);
}

/// `sched_process_fork(parent, child)`, in the parent's context.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn process_fork(ctx: BtfTracePointContext) -> i32 {
    let _ = ctx.as_ptr();
    first(Relieved::Fork, || {
        if let Some((tgid, image)) = inherited(ctx.arg(0), ctx.arg(1)) {
            set_image(tgid, &image);
        }
    });
    0
}

/// See [`relief_if`]. The child does not run yet, so its program is still that of the parent.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn fork_relief(ctx: BtfTracePointContext) -> i32 {
    let _ = ctx.as_ptr();
    if let Some((tgid, image)) = inherited(ctx.arg(0), ctx.arg(1)) {
        // SAFETY: as in `image_of`.
        let missed = unsafe { IMAGES.get(&tgid) } != Some(&image);
        relief_if(missed, Relieved::Fork, || set_image(tgid, &image));
    }
    0
}

/// The child, and the program that it has from its parent; none if it is a thread.
#[inline(always)]
fn inherited(parent: u64, child: u64) -> Option<(u32, Image)> {
    let tgid: u32 = load(child + off!(task_tgid));
    let pid: u32 = load(child + off!(task_pid));
    if tgid != pid {
        return None;
    }
    let parent_tgid: u32 = load(parent + off!(task_tgid));
    let leader: u64 = load(parent + off!(task_group_leader));
    Some((tgid, image_of(parent_tgid, leader)))
}
