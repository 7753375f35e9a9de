//! Programs in recordings: what a recording must say of them, and a cache that a recording fills.

use metadata::{BoundedCache, Names, Strings};

use super::{Key, Lineage, Program, Running, Texts};
use crate::sources::syscall::event::Event;

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
    pub fn known(&self, event: &Event<'_>) -> impl Iterator<Item = (Key, Option<Program<'_>>)> {
        Running::all(event).map(|running| (running.program, self.get(running.program)))
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
