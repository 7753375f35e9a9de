//! The programs of the processes of this node, as far as they were seen.
//!
//! The kernel side tells of every process which exec made the program that it
//! runs (a fork inherits it); this cache keeps what those execs told. So the
//! command line of a parent is known although it forked without exec, or has
//! ended, or was there before the sensor.
//!
//! Of some programs no exec is told: it was left out in the kernel, as no rule
//! wants it, or it was dropped here to make room. As long as one of its processes
//! runs, `/proc` tells it; each program is looked for there once.

use std::{cell::Cell, collections::VecDeque, path::Path, sync::Arc};

use rustc_hash::FxHashMap;
use sensor_ebpf::COMM_LEN;

use super::{
    Counters, Lookups, Program,
    counters::count,
    program_reader::{Busy, Reader},
};
use crate::{
    capture::{Process, TICK_NS, processes},
    event::{Ancestor, Detail, Event, Exec, Kind, Names, Strings, Task},
};

/// Most programs that are kept.
const PROGRAMS_MAX: usize = 8192;
/// Most bytes of programs that are kept.
const BYTES_MAX: usize = 8 << 20;
/// Most bytes of argv and of the environment of one program that are kept.
const STRINGS_MAX: usize = 8192;

/// Names one exec: see `Image` of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    tgid: u32,
    /// Of a program that was there before the sensor, which has no time of
    /// exec, the start of its process in ticks (`/proc` is not more exact).
    time: u64,
    before: bool,
}

impl Key {
    fn new(tgid: u32, time: u64, start: u64) -> Self {
        Self {
            tgid,
            time: if time == 0 { start / TICK_NS } else { time },
            before: time == 0,
        }
    }

    fn of_ancestor(ancestor: &Ancestor) -> Self {
        let Ancestor {
            image_tgid,
            image_time,
            image_start,
            ..
        } = *ancestor;
        Self::new(image_tgid, image_time, image_start)
    }
}

/// A process of an event.
struct Running {
    program: Key,
    tgid: u32,
    start: u64,
    comm: [u8; COMM_LEN],
}

impl Running {
    /// An event's process and its ancestors, nearest first.
    fn all(event: &Event<'_>) -> impl Iterator<Item = Self> {
        let task = &event.task;
        let own = Self {
            program: Key::new(task.image_tgid, task.image_time, task.image_start),
            tgid: task.tgid,
            start: task.start,
            comm: task.comm,
        };
        let ancestors = event.ancestors().map(|ancestor| Self {
            program: Key::of_ancestor(&ancestor),
            tgid: ancestor.tgid,
            start: ancestor.start,
            comm: ancestor.comm,
        });
        std::iter::once(own).chain(ancestors)
    }

    /// Whether that is the same process, and for all that is known still the same program.
    fn is(&self, process: &Process) -> bool {
        process.start_ticks == self.start / TICK_NS && process.comm == comm(&self.comm)
    }
}

/// What is known of a program; no bytes, if it was looked for in vain.
struct Entry {
    /// comm, exe, cwd, argv, env, back to back.
    bytes: Box<[u8]>,
    ends: [u32; 4],
    exec: Option<Exec>,
    used: Cell<bool>,
}

/// A bounded cache of programs; those not asked for lately go first.
#[derive(Default)]
pub struct Lineage {
    programs: FxHashMap<Key, Entry>,
    order: VecDeque<Key>,
    bytes: usize,
    evicted: u64,
    lookups: Cell<Lookups>,
    /// Where programs are looked for that no exec told.
    reader: Option<Reader>,
    counters: Arc<Counters>,
}

impl Lineage {
    /// An empty cache, of programs that execs tell.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the programs that are running, from a `/proc`; there it looks for others later.
    #[must_use]
    pub fn scan(proc_root: &Path, counters: Arc<Counters>) -> Self {
        let mut lineage = Self {
            reader: Some(Reader::new(proc_root)),
            counters,
            ..Self::default()
        };
        for process in processes(proc_root) {
            let key = Key::new(process.tgid, 0, process.start_ticks * TICK_NS);
            lineage.insert_process(key, &process);
        }
        lineage
    }

    /// Looks for programs that fields ask for and no exec told: that of an event's own process,
    /// and those of so many of its ancestors.
    pub fn prepare(&mut self, event: &Event<'_>, of_itself: bool, of_ancestors: u32) {
        if self.reader.is_none() || !(of_itself || of_ancestors > 0) {
            return;
        }
        let of_ancestors = of_ancestors as usize;
        let wanted = Running::all(event).take(1 + of_ancestors);
        for wanted in wanted.skip(usize::from(!of_itself)) {
            if !self.programs.contains_key(&wanted.program) {
                self.look_for(wanted.program, event);
            }
        }
    }

    /// Asks the processes of an event that run a program.
    fn look_for(&mut self, program: Key, event: &Event<'_>) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let answer = Running::all(event)
            .filter(|running| running.program == program)
            .map(|running| {
                let process = reader.read(running.tgid, event.header.time)?;
                Ok(process.filter(|process| running.is(process)))
            })
            .find_map(Result::transpose);
        match answer {
            Some(Ok(process)) => {
                count(&self.counters.programs_read_total);
                self.insert_process(program, &process);
            }
            Some(Err(Busy)) => count(&self.counters.programs_deferred_total),
            None => {
                count(&self.counters.programs_gone_total);
                self.insert(program, [b""; 5], None);
            }
        }
    }

    fn insert_process(&mut self, key: Key, process: &Process) {
        let exe = names(&process.exe);
        let cwd = names(&process.cwd);
        self.insert(key, [&process.comm, &exe, &cwd, &process.argv, b""], None);
    }

    /// Takes in the program of a successful exec.
    pub fn observe(&mut self, event: &Event<'_>) {
        let (Kind::Exec, Detail::Exec(exec)) = (event.kind, &event.detail) else {
            return;
        };
        let task = &event.task;
        let key = Key::new(task.image_tgid, task.image_time, task.image_start);
        let parts = [
            comm(&task.comm),
            exec.exe.0,
            exec.cwd.0,
            cut(exec.argv.0),
            cut(exec.env.0),
        ];
        self.insert(key, parts, Some(exec.fixed));
    }

    /// The program that a process runs.
    #[must_use]
    pub fn of(&self, task: &Task) -> Option<Program<'_>> {
        self.get(Key::new(task.image_tgid, task.image_time, task.image_start))
    }

    /// The program that an ancestor runs.
    #[must_use]
    pub fn of_ancestor(&self, ancestor: &Ancestor) -> Option<Program<'_>> {
        self.get(Key::of_ancestor(ancestor))
    }

    /// How many programs are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.programs.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }

    /// How often it was asked for a program.
    #[must_use]
    pub fn lookups(&self) -> Lookups {
        Lookups {
            evictions: self.evicted,
            ..self.lookups.get()
        }
    }

    /// How many programs were dropped to make room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn get(&self, key: Key) -> Option<Program<'_>> {
        let entry = self.programs.get(&key);
        let entry = entry.filter(|entry| !entry.bytes.is_empty());
        let mut lookups = self.lookups.get();
        lookups.count(entry.is_some());
        self.lookups.set(lookups);
        let entry = entry?;
        entry.used.set(true);
        let mut start = 0;
        let mut part = |i: usize| {
            let end = entry.ends.get(i).map_or(entry.bytes.len(), |&e| e as usize);
            let part = &entry.bytes[start..end];
            start = end;
            part
        };
        Some(Program {
            comm: part(0),
            exe: Names(part(1)),
            cwd: Names(part(2)),
            argv: Strings(part(3)),
            env: Strings(part(4)),
            exec: entry.exec,
        })
    }

    fn insert(&mut self, key: Key, parts: [&[u8]; 5], exec: Option<Exec>) {
        let mut ends = [0; 4];
        let mut end = 0;
        for (at, part) in ends.iter_mut().zip(&parts) {
            end += part.len();
            *at = u32::try_from(end).unwrap_or(u32::MAX);
        }
        let bytes = parts.concat().into_boxed_slice();
        self.bytes += bytes.len();
        let entry = Entry {
            bytes,
            ends,
            exec,
            used: Cell::new(false),
        };
        match self.programs.insert(key, entry) {
            Some(old) => self.bytes -= old.bytes.len(),
            None => self.order.push_back(key),
        }
        while self.order.len() > PROGRAMS_MAX || self.bytes > BYTES_MAX {
            self.evict();
        }
    }

    /// Drops the oldest that nobody asked for since it was last looked at.
    fn evict(&mut self) {
        while let Some(key) = self.order.pop_front() {
            match self.programs.get(&key) {
                Some(entry) if entry.used.replace(false) => self.order.push_back(key),
                Some(entry) => {
                    self.bytes -= entry.bytes.len();
                    self.programs.remove(&key);
                    self.evicted += 1;
                    return;
                }
                None => {}
            }
        }
    }
}

/// A `comm` without its NULs.
#[must_use]
pub fn comm(comm: &[u8]) -> &[u8] {
    &comm[..memchr::memchr(0, comm).unwrap_or(comm.len())]
}

/// A path as the kernel side writes it.
fn names(path: &[u8]) -> Vec<u8> {
    path.split(|&b| b == b'/')
        .rev()
        .filter(|name| !name.is_empty())
        .flat_map(|name| name.iter().copied().chain([0]))
        .collect()
}

fn cut(strings: &[u8]) -> &[u8] {
    &strings[..strings.len().min(STRINGS_MAX)]
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
