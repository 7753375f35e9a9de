//! Putting a record together in scratch memory.

use aya_ebpf::helpers::generated::{
    bpf_get_smp_processor_id, bpf_ktime_get_boot_ns, bpf_probe_read_user, bpf_ringbuf_output,
};
use sensor_ebpf::{
    ANCESTORS_MAX, ARGV_LIMIT_DEFAULT, ARGV_LIMIT_MAX, Ancestor, CGROUP_MAX, CWD_MAX, Call,
    CgroupKey, Connect, Counter, ENV_LIMIT_MAX, ENV_PART, ENV_PART_MAX, ENV_PARTS_MAX, EXE_MAX,
    Exec, FILENAME_MAX, Header, Image, Kind, NAME_MAX, Task, WIRE_VERSION, exec_flag,
};

use super::{budget, count::count, filter, maps::EVENTS};

/// Room for the sections before argv.
pub const HEAD: usize =
    (ANCESTORS_MAX * size_of::<Ancestor>() + CGROUP_MAX + EXE_MAX + CWD_MAX + FILENAME_MAX)
        .next_multiple_of(4096);

/// A record with the fixed part of its kind, and room for `N` bytes of variable sections.
#[repr(C)]
pub struct Scratch<Fixed, const N: usize> {
    /// Bytes of `data` in use. Not part of the record.
    pub position: u64,
    /// Levels left of a walk. Not part of the record.
    pub depth: u64,
    /// Part of the record, as the rest.
    pub header: Header,
    /// See [`Task`].
    pub task: Task,
    /// See [`Exec`], [`Connect`] and [`Call`].
    pub fixed: Fixed,
    /// Variable sections.
    pub data: [u8; N],
}

/// A record that a program is putting together. Programs use this type for each size of scratch
/// memory: the verifier knows the true size of the map's value and enforces it.
pub type Record<Fixed> =
    Scratch<Fixed, { HEAD + NAME_MAX + ARGV_LIMIT_MAX as usize + ENV_LIMIT_MAX as usize }>;

/// Scratch memory of an exec, for argv limits up to the default.
pub type ExecScratch =
    Scratch<Exec, { HEAD + NAME_MAX + ARGV_LIMIT_DEFAULT as usize + ENV_LIMIT_MAX as usize }>;
/// Scratch memory of an exec, for argv limits above the default.
pub type LargeExecScratch = Record<Exec>;

/// Scratch memory of records without argv and environment.
pub type HeadScratch<Fixed> = Scratch<Fixed, { HEAD + NAME_MAX }>;

// The parts of a record stand back to back, whatever its kind.
const _: () = {
    assert!(core::mem::offset_of!(LargeExecScratch, data) == size_before::<Exec>());
    assert!(core::mem::offset_of!(Record<Connect>, data) == size_before::<Connect>());
    assert!(core::mem::offset_of!(Record<Call>, data) == size_before::<Call>());
    assert!(size_of::<ExecScratch>() >= size_before::<Exec>() + ENV_PART_MAX as usize);
};

/// Bytes of a scratch before its variable sections.
const fn size_before<Fixed>() -> usize {
    2 * size_of::<u64>() + fixed_size::<Fixed>()
}

/// Bytes of the parts of a record before its variable sections.
const fn fixed_size<Fixed>() -> usize {
    size_of::<Header>() + size_of::<Task>() + size_of::<Fixed>()
}

impl<Fixed> Record<Fixed> {
    /// The position at which the record grows, in bytes of `data`.
    ///
    /// The position is in map memory: the verifier takes a value from a map as any number, so each
    /// path through a loop leads to the same state, and the verifier checks the loop once. A
    /// position in a register would have another range on each path, and the program would exceed
    /// 1,000,000 verified instructions.
    #[inline(always)]
    pub fn position(&self) -> usize {
        // SAFETY: a plain read of a member, volatile so that it stays one.
        unsafe { core::ptr::read_volatile(&raw const self.position) as usize }
    }

    /// Sets the position.
    #[inline(always)]
    pub fn set_position(&mut self, position: usize) {
        // SAFETY: a plain write of a member, volatile so that it stays one.
        unsafe { core::ptr::write_volatile(&raw mut self.position, position as u64) }
    }

    /// Levels that a walk may still go up; in map memory like the position.
    #[inline(always)]
    pub fn depth(&self) -> u64 {
        // SAFETY: a plain read of a member, volatile so that it stays one.
        unsafe { core::ptr::read_volatile(&raw const self.depth) }
    }

    /// Sets the levels left.
    #[inline(always)]
    pub fn set_depth(&mut self, depth: u64) {
        // SAFETY: a plain write of a member, volatile so that it stays one.
        unsafe { core::ptr::write_volatile(&raw mut self.depth, depth) }
    }

    /// Fills the header, with the current time.
    #[inline(always)]
    pub fn begin(&mut self, kind: Kind) {
        self.set_position(0);
        // SAFETY: these helpers have no preconditions.
        let (time, cpu) = unsafe { (bpf_ktime_get_boot_ns(), bpf_get_smp_processor_id()) };
        self.header = Header {
            len: 0,
            kind: kind as u16,
            version: WIRE_VERSION,
            time,
            number: 0,
            cpu,
            watched: self.watched(),
        };
    }

    /// Notes for whom the event is: [`filter::RULES`], or observers alone. Call this before
    /// [`Self::begin`].
    #[inline(always)]
    pub fn set_wanted(&mut self, wanted: u32) {
        let watched = u32::from(wanted & filter::RULES == 0);
        // SAFETY: a plain write of a member, volatile so that it stays one.
        unsafe { core::ptr::write_volatile(&raw mut self.header.watched, watched) }
    }

    /// See [`Header::watched`]; in map memory like the position.
    #[inline(always)]
    pub fn watched(&self) -> u32 {
        // SAFETY: a plain read of a member, volatile so that it stays one.
        unsafe { core::ptr::read_volatile(&raw const self.header.watched) }
    }

    /// Counts that a part of the event is missing, if rules want the event.
    #[inline(always)]
    pub fn count_incomplete(&self, kind: Kind, counter: Counter) {
        if self.watched() == 0 {
            count(kind, counter);
        }
    }

    /// The key of the task's cgroup, from the record.
    #[inline(always)]
    fn cgroup(&self) -> CgroupKey {
        CgroupKey {
            node: self.task.cgroup_node,
            id: self.task.cgroup_id,
        }
    }

    /// Copies the record into the ring buffer, or counts the event as lost if the buffer has no
    /// room. `most` is an upper bound for the bytes of the variable sections.
    #[inline(always)]
    pub fn submit_at_most(&mut self, kind: Kind, most: usize) {
        let (sent, total) = self.send(most);
        if sent {
            count(kind, Counter::Written);
            if total as u64 > budget::LARGE {
                let cgroup = budget::payer(self.watched() == 0, &self.cgroup());
                budget::charge(&cgroup, total as u64);
            }
        } else if self.watched() == 0 {
            count(kind, Counter::RingFull);
        } else {
            filter::count_unwatched(kind);
        }
    }

    /// Copies the record into the ring buffer without counting an event. Returns whether the buffer
    /// had room, and the size of the record.
    #[inline(always)]
    pub fn send(&mut self, most: usize) -> (bool, usize) {
        let mut len = self.position();
        if len > most {
            len = most;
        }
        let total = fixed_size::<Fixed>() + len;
        (self.output(total), total)
    }

    /// Copies the first `total` bytes of the record into the ring buffer. Returns false if the
    /// buffer has no room.
    #[inline(always)]
    fn output(&mut self, total: usize) -> bool {
        self.header.len = total as u32;
        // SAFETY: `header` and all that follows it, `total` bytes, are in the
        // map's value; EVENTS is a ring buffer.
        let failed = unsafe {
            bpf_ringbuf_output(
                (&raw const EVENTS).cast_mut().cast(),
                (&raw mut self.header).cast(),
                total as u64,
                0,
            )
        };
        failed == 0
    }
}

impl LargeExecScratch {
    /// The flags of the exec, from map memory like the position.
    #[inline(always)]
    pub fn exec_flags(&self) -> u32 {
        // SAFETY: a plain read of a member, volatile so that it stays one.
        unsafe { core::ptr::read_volatile(&raw const self.fixed.flags) }
    }

    /// Adds flags of the exec.
    #[inline(always)]
    pub fn add_exec_flags(&mut self, flags: u32) {
        let flags = self.exec_flags() | flags;
        // SAFETY: a plain write of a member, volatile so that it stays one.
        unsafe { core::ptr::write_volatile(&raw mut self.fixed.flags, flags) }
    }

    /// Sends what of an environment is beyond `limit`, in parts, see [`ENV_PART`]: before any other
    /// part of the record is filled in, since parts use its memory. `start..end` is the environment
    /// in the memory of the process. Sets [`exec_flag::ENV_IN_PARTS`] if user space gets all of it.
    #[inline(always)]
    pub fn send_environment(
        &mut self,
        exec: Image,
        cgroup: &CgroupKey,
        (start, end): (u64, u64),
        limit: u32,
    ) {
        let size = end.wrapping_sub(start);
        if size <= u64::from(limit) {
            return;
        }
        self.begin(Kind::Exec);
        self.header.kind = ENV_PART;
        self.header.time = exec.time;
        self.task.tgid = exec.tgid;
        self.set_position(limit as usize);
        for _ in 0..ENV_PARTS_MAX {
            let at = self.position() as u64;
            if at >= size {
                break;
            }
            let mut len = size - at;
            if len > u64::from(ENV_PART_MAX) {
                len = u64::from(ENV_PART_MAX);
            }
            // SAFETY: `len` bytes are in `data`.
            let failed = unsafe {
                bpf_probe_read_user(
                    self.data.as_mut_ptr().cast(),
                    len as u32,
                    (start + at) as *const _,
                )
            };
            self.header.number = at;
            self.fixed.env_len = len as u32;
            if failed != 0 || !self.output(fixed_size::<Exec>() + len as usize) {
                break;
            }
            self.set_position((at + len) as usize);
        }
        let sent = self.position() as u64;
        budget::charge(cgroup, budget::LARGE + sent - u64::from(limit));
        self.fixed.env_len = 0;
        if sent >= size {
            self.add_exec_flags(exec_flag::ENV_IN_PARTS);
        }
    }

    /// Submits an exec by [`Self::submit_at_most`], with room for `argv_capacity` bytes of argv.
    #[inline(always)]
    pub fn submit(&mut self, kind: Kind, argv_capacity: u32) {
        self.submit_at_most(kind, HEAD + argv_capacity as usize + ENV_LIMIT_MAX as usize);
    }
}

impl Record<Connect> {
    /// The length of the address that the caller gave, from map memory like the position.
    #[inline(always)]
    pub fn given_len(&self) -> u32 {
        // SAFETY: a plain read of a member, volatile so that it stays one.
        unsafe { core::ptr::read_volatile(&raw const self.fixed.given_len) }
    }
}
