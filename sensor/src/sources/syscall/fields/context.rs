//! Everything that the accessor of a field may look at for one event.

use std::cell::OnceCell;

use bumpalo::{Bump, collections::Vec};
use config::WantedEnv;
use metadata::{ContainerId, ContainerState, Domains, Names, Strings, Users};

use crate::sources::syscall::{
    event::{Ancestor, Detail, Event, Exec, Kind, exec_flag},
    lineage::{Lineage, Program, comm},
};

/// One event and what the sensor knows about it, borrowed while rules evaluate and format the
/// event.
pub struct Context<'a> {
    /// The event.
    pub event: &'a Event<'a>,
    /// Memory for the strings of this event; the evaluator resets it before the next event.
    pub arena: &'a Bump,
    /// `evt.num`: number of the event since the sensor started.
    pub number: u64,
    /// When the event happened, nanoseconds since the epoch.
    pub time: u64,
    /// The number to add to nanoseconds since boot, to get nanoseconds since the epoch.
    pub boot_to_utc: i64,
    /// Name of the node.
    pub hostname: &'a str,
    /// Id of this boot, for ids that are unique over boots.
    pub boot_id: u64,
    /// Container of the process.
    pub container: ContainerState<'a>,
    /// What rules may see of environments.
    pub env: &'a Environment,
    /// The programs of processes.
    pub lineage: &'a Lineage,
    /// Names of users and groups.
    pub users: &'a Users,
    /// Names of addresses.
    pub domains: &'a Domains,
    /// Strings that have been made for this event.
    pub memo: Memo<'a>,
}

/// What rules may see of the environments of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The variables that conditions and outputs see.
    pub variables: WantedEnv,
    /// Most bytes of a whole environment that an output prints.
    pub printed: usize,
}

impl Environment {
    /// All of it.
    pub const ALL: Self = Self {
        variables: WantedEnv::All,
        printed: usize::MAX,
    };
}

/// Strings that more than one field or rule reads, made once for each event.
#[derive(Default)]
pub struct Memo<'a> {
    program: OnceCell<Option<Program<'a>>>,
    args: OnceCell<&'a str>,
    cmdline: OnceCell<&'a str>,
    exepath: OnceCell<&'a str>,
    cwd: OnceCell<&'a str>,
}

impl<'a> Context<'a> {
    /// Id of the container; none for the host.
    #[must_use]
    pub fn container_id(&self) -> Option<&ContainerId> {
        match &self.container {
            ContainerState::Host => None,
            ContainerState::Unknown(id) => Some(id),
            ContainerState::Known(container) => Some(&container.id),
        }
    }

    /// Bytes from outside as text, see [`falco_rules::sanitize()`].
    #[must_use]
    pub fn text(&self, bytes: &'a [u8]) -> &'a str {
        super::sanitize(bytes, self.arena)
    }

    /// Name of the process.
    #[must_use]
    pub fn comm(&self) -> &'a str {
        self.text(comm(&self.event.task.comm))
    }

    /// The program that the process runs: for an exec the new program, for other events the calling
    /// one. None if the sensor does not know the program.
    #[must_use]
    pub fn program(&self) -> Option<Program<'a>> {
        *self.memo.program.get_or_init(|| match &self.event.detail {
            Detail::Exec(exec) if self.event.kind == Kind::Exec => Some(Program {
                comm: comm(&self.event.task.comm),
                argv: exec.argv,
                exe: exec.exe,
                cwd: exec.cwd,
                env: exec.env,
                env_cut: exec.fixed.flags & exec_flag::ENV_TRUNCATED != 0,
                exec: Some(exec.fixed),
            }),
            _ => self.lineage.of(&self.event.task),
        })
    }

    /// The `n`th ancestor (1: the parent).
    #[must_use]
    pub fn ancestor(&self, n: u32) -> Option<Ancestor> {
        self.event.ancestors().nth((n as usize).checked_sub(1)?)
    }

    /// The program of the `n`th ancestor (0: the process itself).
    #[must_use]
    pub fn program_of(&self, n: u32) -> Option<Program<'a>> {
        match n {
            0 => self.program(),
            _ => self.lineage.of_ancestor(&self.ancestor(n)?),
        }
    }

    /// A path as text; an unknown path is empty.
    #[must_use]
    pub fn path(&self, names: Names<'a>) -> &'a str {
        let mut path = Vec::with_capacity_in(names.0.len() + 1, self.arena);
        names.write_path(&mut path);
        self.text(path.into_bump_slice())
    }

    /// `argv[1..]`, joined by blanks.
    #[must_use]
    pub fn joined(&self, argv: Strings<'a>) -> &'a str {
        let rest = argv.rest().0;
        let rest = rest.strip_suffix(b"\0").unwrap_or(rest);
        if rest.is_empty() {
            return "";
        }
        let joined = self.arena.alloc_slice_copy(rest);
        for byte in joined.iter_mut().filter(|byte| **byte == 0) {
            *byte = b' ';
        }
        self.text(joined)
    }

    /// Name and arguments: the value of `proc.cmdline` for any program.
    #[must_use]
    pub fn command_line(&self, name: &'a str, argv: Strings<'a>) -> &'a str {
        self.prefixed(name, argv, self.joined(argv))
    }

    /// `name`, and if `argv` has arguments, a blank and `args`.
    fn prefixed(&self, name: &'a str, argv: Strings<'a>, joined: &'a str) -> &'a str {
        if argv.rest().is_empty() {
            return name;
        }
        let mut line = bumpalo::collections::String::with_capacity_in(
            name.len() + 1 + joined.len(),
            self.arena,
        );
        line.push_str(name);
        line.push(' ');
        line.push_str(joined);
        line.into_bump_str()
    }

    /// `proc.args`.
    #[must_use]
    pub fn args(&self) -> Option<&'a str> {
        let argv = self.program()?.argv;
        Some(self.memo.args.get_or_init(|| self.joined(argv)))
    }

    /// `proc.cmdline`.
    #[must_use]
    pub fn cmdline(&self) -> Option<&'a str> {
        let argv = self.program()?.argv;
        let joined = self.args()?;
        Some(
            self.memo
                .cmdline
                .get_or_init(|| self.prefixed(self.comm(), argv, joined)),
        )
    }

    /// `proc.exepath`.
    #[must_use]
    pub fn exepath(&self) -> Option<&'a str> {
        let (names, facts) = match &self.event.detail {
            // A failed exec has the path of its caller.
            Detail::Exec(exec) => (exec.exe, Some(exec.fixed)),
            Detail::Connect(_) | Detail::Call(_) => self.program().map(|p| (p.exe, p.exec))?,
        };
        Some(
            self.memo
                .exepath
                .get_or_init(|| self.exe_path(names, facts.as_ref())),
        )
    }

    /// Path of an executable; for a memfd only its name.
    #[must_use]
    pub fn exe_path(&self, names: Names<'a>, facts: Option<&Exec>) -> &'a str {
        if facts.is_some_and(|facts| facts.flags & exec_flag::MEMFD != 0) {
            self.text(names.0.strip_suffix(b"\0").unwrap_or(names.0))
        } else {
            self.path(names)
        }
    }

    /// `proc.cwd`, which always ends with `/`.
    #[must_use]
    pub fn cwd(&self) -> Option<&'a str> {
        let names = match &self.event.detail {
            Detail::Exec(exec) => exec.cwd,
            Detail::Connect(_) | Detail::Call(_) => self.program()?.cwd,
        };
        Some(self.memo.cwd.get_or_init(|| {
            let mut path = Vec::with_capacity_in(names.0.len() + 2, self.arena);
            names.write_path(&mut path);
            path.push(b'/');
            self.text(path.into_bump_slice())
        }))
    }
}
