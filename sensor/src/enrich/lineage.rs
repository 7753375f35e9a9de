//! The programs of the processes of this node, as far as they were seen.
//!
//! The kernel side tells of every process which exec made the program that it
//! runs (a fork inherits it); this cache keeps what those execs told. So the
//! command line of a parent is known although it forked without exec, or has
//! ended, or was there before the sensor.

use std::{cell::Cell, collections::VecDeque, path::Path};

use rustc_hash::FxHashMap;

use super::{Lookups, Program};
use crate::{
    capture::{TICK_NS, processes},
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
}

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
}

impl Lineage {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the programs that are running.
    pub fn scan(&mut self, proc_root: &Path) {
        for process in processes(proc_root) {
            let key = Key::new(process.tgid, 0, process.start_ticks * TICK_NS);
            let exe: Vec<u8> = process
                .exe
                .split(|&b| b == b'/')
                .rev()
                .filter(|name| !name.is_empty())
                .flat_map(|name| name.iter().copied().chain([0]))
                .collect();
            self.insert(key, [&process.comm, &exe, b"", &process.argv, b""], None);
        }
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
        self.get(Key::new(
            ancestor.image_tgid,
            ancestor.image_time,
            ancestor.image_start,
        ))
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
        self.lookups.get()
    }

    /// How many programs were dropped to make room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn get(&self, key: Key) -> Option<Program<'_>> {
        let entry = self.programs.get(&key);
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

fn cut(strings: &[u8]) -> &[u8] {
    &strings[..strings.len().min(STRINGS_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::builder::RecordBuilder;

    fn observe(lineage: &mut Lineage, tgid: u32, time: u64, argv: &[&str]) -> Task {
        let mut record = RecordBuilder::exec("/usr/bin/sh", argv);
        record.task.image_tgid = tgid;
        record.task.image_time = time;
        let bytes = record.build();
        lineage.observe(&Event::decode(&bytes).expect("a record"));
        record.task
    }

    #[test]
    fn the_program_of_an_exec_is_found_by_its_image() {
        let mut lineage = Lineage::new();
        let task = observe(&mut lineage, 5, 77, &["sh", "-c", "x"]);
        let program = lineage.of(&task).expect("known");
        assert_eq!(program.comm, b"sh");
        assert_eq!(program.argv.0, b"sh\0-c\0x\0");
        assert_eq!(program.exe.0, b"sh\0bin\0usr\0");
    }

    #[test]
    fn another_exec_of_the_same_process_is_another_program() {
        let mut lineage = Lineage::new();
        let first = observe(&mut lineage, 5, 77, &["one"]);
        let second = observe(&mut lineage, 5, 78, &["two"]);
        assert_eq!(lineage.of(&first).expect("known").argv.0, b"one\0");
        assert_eq!(lineage.of(&second).expect("known").argv.0, b"two\0");
    }

    #[test]
    fn it_stays_bounded_and_keeps_what_is_asked_for() {
        let mut lineage = Lineage::new();
        let kept = observe(&mut lineage, 1, 1, &["kept"]);
        for i in 0..3 * PROGRAMS_MAX as u64 {
            observe(&mut lineage, 2, 100 + i, &["x"]);
            assert!(lineage.of(&kept).is_some());
        }
        assert_eq!(lineage.len(), PROGRAMS_MAX);
        assert!(lineage.evicted() > 0);
    }

    #[test]
    fn it_stays_bounded_in_bytes() {
        let mut lineage = Lineage::new();
        let long = "x".repeat(STRINGS_MAX);
        for i in 0..2000 {
            observe(&mut lineage, 2, 100 + i, &[&long]);
        }
        assert!(lineage.bytes <= BYTES_MAX);
    }

    #[test]
    fn a_running_process_is_known_by_its_start() {
        let mut lineage = Lineage::new();
        lineage.scan(Path::new("/proc"));
        let me = processes(Path::new("/proc"))
            .into_iter()
            .find(|p| p.tgid == std::process::id())
            .expect("this process");
        let task = Task {
            image_tgid: me.tgid,
            image_start: me.start_ticks * TICK_NS + 1234,
            ..Task::default()
        };
        assert_eq!(lineage.of(&task).expect("known").argv.0, me.argv);
    }
}
