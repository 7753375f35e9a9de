//! Programs in recordings: what a recording must say of them, and a cache that a recording fills.

use metadata::{BoundedCache, Names, Strings};

use super::{Key, Lineage, Program, Running, Texts, comm, cut, is_env_cut};
use crate::sources::syscall::event::{Detail, Event, Kind};

/// What changes when something else is known of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    insertion: u64,
    env_cut: bool,
}

/// Most programs of a recording that are known at a time.
const PROGRAMS_MAX: usize = 1 << 20;
/// Most bytes of their texts.
const TEXTS_MAX: usize = 512 << 20;

impl Lineage {
    /// A cache that only a recording fills, with room for more than a live cache has.
    #[must_use]
    pub fn recorded() -> Self {
        Self {
            programs: BoundedCache::new(PROGRAMS_MAX),
            texts: Texts::new(TEXTS_MAX),
            ..Self::default()
        }
    }

    /// The programs of an event's process and of its ancestors, as far as they are known.
    pub fn known(&self, event: &Event<'_>) -> impl Iterator<Item = (Key, Option<State>)> {
        let state = |key: &Key| {
            let entry = self.programs.peek(key)?;
            entry.text.map(|_| State {
                insertion: entry.insertion,
                env_cut: entry.env_cut || entry.serial != self.serial,
            })
        };
        Running::all(event).map(move |running| (running.program, state(&running.program)))
    }

    /// Whether what is known of an exec's program is what [`Self::observe`] takes from the event.
    #[must_use]
    pub fn is_as_observed(&self, event: &Event<'_>) -> bool {
        let (Kind::Exec, Detail::Exec(exec)) = (event.kind, &event.detail) else {
            return false;
        };
        self.of(&event.task).is_some_and(|program| {
            program.exec == Some(exec.fixed)
                && program.env_cut == is_env_cut(exec)
                && program.comm == comm(&event.task.comm)
                && program.exe.0 == exec.exe.0
                && program.cwd.0 == exec.cwd.0
                && program.argv.0 == cut(exec.argv.0)
                && program.env.0 == cut(exec.env.0)
        })
    }

    /// What is known of a program.
    #[must_use]
    pub fn known_program(&self, key: Key) -> Option<Program<'_>> {
        self.get(key)
    }

    /// Sets what is known of a program; nothing if the program is not known any more.
    pub fn set(&mut self, key: Key, program: Option<&Program<'_>>) {
        match program {
            None => self.insert(key, [b""; 5], None, true),
            Some(program) => {
                let Names(exe) = program.exe;
                let Names(cwd) = program.cwd;
                let (Strings(argv), Strings(env)) = (program.argv, program.env);
                let parts = [program.comm, exe, cwd, argv, env];
                self.insert(key, parts, program.exec, program.env_cut);
            }
        }
    }
}
