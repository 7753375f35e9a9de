//! The programs of the processes of this node, as far as the sensor has seen them.
//!
//! The kernel side reports for every process which exec made the program that the process runs (a
//! fork inherits it). This cache keeps the contents of those execs. So the sensor knows the command
//! line of a parent that forked without exec, has ended, or started before the sensor.
//!
//! The cache lacks some programs: the kernel side left their exec out because no rule wants it, or
//! the cache dropped the program to make room. As long as a process runs such a program, the sensor
//! can read it from `/proc`, and tries so once for each program.

mod program;
mod reader;
mod recorded;
mod texts;
mod variables;

use std::{path::Path, sync::Arc};

use metadata::{BoundedCache, Counters, Names, Process, Strings, TICK_NS, count, processes};
use sensor_ebpf::COMM_LEN;
use telemetry::Lookups;
use zerocopy::{FromBytes, Immutable, IntoBytes};

pub use self::{program::Program, recorded::State, variables::Variables};
use self::{
    reader::{Busy, Reader},
    texts::{Text, Texts},
};
use crate::sources::syscall::event::{
    Ancestor, Detail, Event, Exec, ExecEvent, Kind, Task, exec_flag,
};

/// Most programs in the cache.
const PROGRAMS_MAX: usize = 8192;
/// Most bytes of argv and of the environment of one program in the cache.
pub const STRINGS_MAX: usize = 8192;

/// Names one exec: see `Image` of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct Key {
    /// When the exec happened, nanoseconds since boot. For a program that ran before the sensor,
    /// whose time of exec is not known: [`Self::BEFORE`] and the start of the process in ticks
    /// (`/proc` is not more exact).
    time: u64,
    tgid: u32,
    reserved: u32,
}

impl Key {
    /// No real time since boot, in nanoseconds, is this large.
    const BEFORE: u64 = 1 << 63;

    fn new(tgid: u32, time: u64, start: u64) -> Self {
        Self {
            time: if time == 0 {
                Self::BEFORE | (start / TICK_NS)
            } else {
                time
            },
            tgid,
            reserved: 0,
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

    /// Whether `process` is the same process and, as far as the sensor knows, runs the same
    /// program.
    fn is(&self, process: &Process) -> bool {
        process.start_ticks == self.start / TICK_NS && process.comm == comm(&self.comm)
    }
}

/// A program of the cache; without text, if `/proc` did not have the program.
#[derive(Clone)]
struct Entry {
    /// comm, exe, cwd, argv, env, back to back.
    text: Option<Text>,
    /// The end of each part but the last, in bytes from the start of the text.
    ends: [u16; 4],
    exec: Option<Exec>,
    /// Whether the environment is not whole.
    env_cut: bool,
    /// See [`Lineage::serial`].
    serial: u32,
    /// See [`Lineage::insertions`].
    insertion: u64,
}

/// A bounded cache of programs. A new program replaces one that no event has used lately.
pub struct Lineage {
    programs: BoundedCache<Key, Entry>,
    texts: Texts,
    /// The variables of the environment that rules read; none if they read no environment.
    variables: Option<Variables>,
    /// Counts the changes of `variables`: a program of before may lack a variable.
    serial: u32,
    /// Counts the programs that came so far: a program that leaves and comes again may be another text.
    insertions: u64,
    /// Reads programs whose exec the cache lacks from `/proc`.
    reader: Option<Reader>,
    counters: Arc<Counters>,
}

impl Default for Lineage {
    fn default() -> Self {
        Self {
            programs: BoundedCache::new(PROGRAMS_MAX),
            texts: Texts::default(),
            variables: None,
            serial: 0,
            insertions: 0,
            reader: None,
            counters: Arc::default(),
        }
    }
}

impl Lineage {
    /// An empty cache, which only execs fill.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A cache with the programs that run now, from a `/proc`; later the cache reads missing
    /// programs from there too.
    #[must_use]
    pub fn scan(proc_root: &Path, variables: Option<Variables>, counters: Arc<Counters>) -> Self {
        let mut lineage = Self {
            reader: Some(Reader::new(proc_root)),
            variables,
            counters,
            ..Self::default()
        };
        let with_env = lineage.variables.is_some();
        for process in processes(proc_root, with_env) {
            let key = Key::new(process.tgid, 0, process.start_ticks * TICK_NS);
            lineage.insert_process(key, &process);
        }
        lineage
    }

    /// A second cache with the same programs, which goes its own way from here on.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            programs: self.programs.clone(),
            texts: self.texts.clone(),
            variables: self.variables.clone(),
            serial: self.serial,
            insertions: self.insertions,
            reader: self.reader.as_ref().map(Reader::again),
            // The counters are of the first one.
            counters: Arc::default(),
        }
    }

    /// Takes over the variables of the environment that rules read from now on.
    pub fn set_variables(&mut self, variables: Option<Variables>) {
        if self.variables != variables {
            self.variables = variables;
            self.serial += 1;
        }
    }

    /// Call this before fields are read. Marks the programs that fields read as used (that of the
    /// event's own process, and those of so many of its ancestors), and reads missing programs from
    /// `/proc`.
    pub fn prepare(&mut self, event: &Event<'_>, of_itself: bool, of_ancestors: u32) {
        if !of_itself && of_ancestors == 0 {
            return;
        }
        let wanted = Running::all(event).take(1 + of_ancestors as usize);
        for wanted in wanted.skip(usize::from(!of_itself)) {
            let entry = self.programs.touch(&wanted.program);
            let known = entry.map(|entry| entry.text.is_some());
            self.programs.count(known == Some(true));
            if known.is_none() {
                self.look_for(wanted.program, event);
            }
        }
    }

    /// Reads a program from the processes of an event that run it.
    fn look_for(&mut self, program: Key, event: &Event<'_>) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let with_env = self.variables.is_some();
        let answer = Running::all(event)
            .filter(|running| running.program == program)
            .map(|running| {
                let process = reader.read(running.tgid, with_env, event.header.time)?;
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
                self.insert(program, [b""; 5], None, true);
            }
        }
    }

    fn insert_process(&mut self, key: Key, process: &Process) {
        let exe = names(&process.exe);
        let cwd = names(&process.cwd);
        let mut env = Vec::new();
        if let (Some(variables), Some(all)) = (&self.variables, &process.env) {
            variables.select(all, &mut env);
        }
        let env_cut = process.env.is_none() || env.len() > STRINGS_MAX;
        let parts = [&process.comm, &exe, &cwd, &*process.argv, cut(&env)];
        self.insert(key, parts, None, env_cut);
    }

    /// Adds the program of a successful exec.
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
        self.insert(key, parts, Some(exec.fixed), is_env_cut(exec));
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

    /// The number of programs, and how often events looked one up.
    #[must_use]
    pub fn figures(&self) -> (usize, Lookups) {
        (self.programs.len(), self.programs.lookups())
    }

    fn get(&self, key: Key) -> Option<Program<'_>> {
        let entry = self.programs.peek(&key)?;
        let text = self.texts.get(entry.text?);
        let mut start = 0;
        let mut part = |i: usize| {
            let end = entry.ends.get(i).map_or(text.len(), |&e| e.into());
            let part = &text[start..end];
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
            env_cut: entry.env_cut || entry.serial != self.serial,
        })
    }

    /// Adds a program, unless its text is longer than any that the kernel side sends.
    fn insert(&mut self, key: Key, parts: [&[u8]; 5], exec: Option<Exec>, env_cut: bool) {
        let mut ends = [0; 5];
        let mut end = 0;
        for (at, part) in ends.iter_mut().zip(&parts) {
            end += part.len();
            let Ok(end) = u16::try_from(end) else {
                return;
            };
            *at = end;
        }
        let [ends @ .., len] = ends;
        while !self.texts.fits(len) {
            let Some(entry) = self.programs.evict() else {
                break;
            };
            self.texts.remove(entry.text);
        }
        let programs = &mut self.programs;
        let text = self.texts.push(key, &parts, len, |key, text| {
            if let Some(entry) = programs.peek_mut(&key) {
                entry.text = Some(text);
            }
        });
        self.insertions += 1;
        let entry = Entry {
            text,
            ends,
            exec,
            env_cut,
            serial: self.serial,
            insertion: self.insertions,
        };
        if let Some(left) = self.programs.insert(key, entry) {
            self.texts.remove(left.text);
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

/// Whether the environment of an exec is not whole in the cache.
fn is_env_cut(exec: &ExecEvent<'_>) -> bool {
    exec.fixed.flags & exec_flag::ENV_TRUNCATED != 0 || exec.env.0.len() > STRINGS_MAX
}

fn cut(strings: &[u8]) -> &[u8] {
    &strings[..strings.len().min(STRINGS_MAX)]
}

#[cfg(test)]
mod tests;
