//! Where the sensor itself runs, as the kernel sees it: see `sensor-ebpf/src/bpf/place.rs`.

use aya::{
    Ebpf,
    programs::{ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun as _},
};
use metadata::Names;
use sensor_ebpf::{Call, Header, Task, task_flag};
use zerocopy::FromBytes as _;

use super::Ring;

/// The name of the program.
const PROGRAM: &str = "own_place";

/// A process and its cgroup, with the numbers that the kernel has for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process id in the first pid namespace.
    pub tgid: u32,
    /// The process id of its parent in the first pid namespace.
    pub parent: u32,
    names: Box<[u8]>,
}

impl Process {
    /// The names of the cgroup, from the kernel's root on.
    #[must_use]
    pub fn cgroup(&self) -> Names<'_> {
        Names(&self.names)
    }

    /// Reads a record; none if the record is not whole, or if its names do not reach the root.
    fn read(record: &[u8]) -> Option<Self> {
        let (_, rest) = Header::read_from_prefix(record).ok()?;
        let (task, rest) = Task::read_from_prefix(rest).ok()?;
        let (_, names) = Call::read_from_prefix(rest).ok()?;
        if task.flags & task_flag::CGROUP_COMPLETE == 0 {
            return None;
        }
        Some(Self {
            tgid: task.tgid,
            parent: task.ppid,
            names: names.get(..task.cgroup_len as usize)?.into(),
        })
    }
}

/// The places of the sensor and of the first process of its pid namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPlace {
    /// The sensor.
    pub sensor: Process,
    /// The first process of its pid namespace.
    pub first: Process,
}

impl OwnPlace {
    /// Asks the kernel. Call this before any other program is attached.
    ///
    /// # Errors
    /// If the kernel does not load or does not run the program.
    pub(super) fn ask(bpf: &mut Ebpf, ring: &mut Ring) -> Result<Option<Self>, ProgramError> {
        let Some(program) = bpf.program_mut(PROGRAM) else {
            return Ok(None);
        };
        let program: &mut RawTracePoint = program.try_into()?;
        program.load()?;
        program.test_run(RawTracePointRunOptions::default())?;
        program.unload()?;
        let mut places = Vec::new();
        ring.drain(2, |record| places.extend(Process::read(record)));
        Ok(match <[Process; 2]>::try_from(places) {
            Ok([sensor, first]) => Some(Self { sensor, first }),
            Err(_) => None,
        })
    }
}
