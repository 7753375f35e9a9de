//! Loads the eBPF programs that the rules need, and attaches them to their hooks.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
};

use aya::{
    Btf,
    programs::{
        BtfTracePoint, FExit, Program, ProgramError, ProgramFd, TracePoint, fexit::FExitLink,
        tp_btf::BtfTracePointLink, trace_point::TracePointLink,
    },
};

use super::{
    Capture, CaptureError, CaptureRequest, HookMode,
    hook_table::{HOOKS, LINEAGE},
    hooks::{Hook, Point},
};

/// A program's attachment to its hook. Dropping a link detaches the program.
#[expect(dead_code, reason = "held for their drop, which detaches")]
pub(super) enum Link {
    Btf(BtfTracePointLink),
    Perf(TracePointLink),
    Fexit(FExitLink),
}

impl Capture {
    /// Attaches the programs that track lineage.
    pub(super) fn attach_lineage(&mut self) -> Result<(), CaptureError> {
        let backups = self.backups;
        let needed = |hook: &&Hook| hook.has_backup(backups) || !hook.is_backup;
        let needed = LINEAGE.iter().filter(needed);
        self.attach_all(&needed.collect::<Vec<_>>())
    }

    /// Attaches the hooks that `request` needs and detaches all others.
    pub(super) fn attach_in_mode(&mut self, request: &CaptureRequest) -> Result<(), CaptureError> {
        self.check_mode()?;
        self.set(request)?;
        let needed: Vec<_> = self.needed(request, self.mode).collect();
        self.attach_all(&needed)?;
        self.detach_where(|attached| !needed.iter().any(|hook| hook.is(attached)));
        Ok(())
    }

    /// Detaches the hooks for which `goes` is true: the backups first, since a backup without its
    /// program counts a skipped run for each event.
    pub(super) fn detach_where(&mut self, goes: impl Fn(&Hook) -> bool) {
        self.links
            .retain(|(hook, _)| !(hook.is_backup && goes(hook)));
        self.links.retain(|(hook, _)| !goes(hook));
        let attached = |hook: &Hook| self.links.iter().any(|(attached, _)| attached.is(hook));
        // A program on a function is loaded for this one hook.
        self.programs
            .retain(|hook| !hook.is_on_function() || attached(hook));
    }

    /// The hooks that `request` needs in a mode.
    pub(super) fn needed<'a>(
        &'a self,
        request: &'a CaptureRequest,
        mode: HookMode,
    ) -> impl Iterator<Item = &'static Hook> + 'a {
        let needed = move |hook: &&Hook| {
            hook.needed(request, mode, self.backups) && hook.is_there(&self.functions)
        };
        HOOKS.iter().filter(needed)
    }

    /// Attaches those of these hooks that are not attached yet.
    fn attach_all(&mut self, hooks: &[&'static Hook]) -> Result<(), CaptureError> {
        self.load_all(hooks)?;
        let attached = |hook: &Hook| self.links.iter().any(|(attached, _)| attached.is(hook));
        let missing = hooks.iter().copied().filter(|hook| !attached(hook));
        let missing: Vec<_> = missing.collect();
        for copies in missing.chunk_by(|a, b| (a.number, a.point) == (b.number, b.point)) {
            self.attach_copies(copies)?;
        }
        Ok(())
    }

    /// Attaches a program and its backup to their hook. Both are loaded before either is attached,
    /// so that the backup of a program on a function, which comes first, is soon not alone; what
    /// it did alone is no skipped run.
    fn attach_copies(&mut self, copies: &[&'static Hook]) -> Result<(), CaptureError> {
        for hook in copies.iter().filter(|hook| hook.is_on_function()) {
            self.load_on_function(hook)?;
        }
        let [hook, ..] = copies else { return Ok(()) };
        let before = self.programs.balance(hook);
        let attached = copies.iter().try_for_each(|hook| self.attach(hook));
        if attached.is_err() {
            self.detach_where(|attached| copies.iter().any(|hook| hook.is(attached)));
        }
        self.programs.keep_balance(hook, before);
        attached
    }

    /// Has the kernel verify the programs that are not loaded yet, several at a time: verification
    /// takes most of the time of a start. Programs on functions are not among them, since the kernel
    /// loads such a program for one function.
    fn load_all(&mut self, hooks: &[&'static Hook]) -> Result<(), CaptureError> {
        let hook_of = |name: &str| {
            let of_program = |hook: &&&Hook| hook.program == name && !hook.is_on_function();
            hooks.iter().find(of_program).copied()
        };
        let programs: Vec<(&'static Hook, &mut Program)> = self
            .bpf
            .programs_mut()
            .filter(|(_, program)| program.fd().is_err())
            .filter_map(|(name, program)| Some((hook_of(name)?, program)))
            .collect();
        let loaded: Vec<&'static Hook> = programs.iter().map(|(hook, _)| *hook).collect();
        load_side_by_side(programs, &self.btf)?;
        for hook in loaded {
            if let Ok(fd) = self.fd(hook) {
                // The start does not fail because the figures of a program cannot be read.
                let _ = self.programs.add(hook, fd);
            }
        }
        Ok(())
    }

    fn fd(&self, hook: &Hook) -> Result<&ProgramFd, CaptureError> {
        let program = self.bpf.program(hook.program);
        program
            .and_then(|program| program.fd().ok())
            .ok_or(missing(hook))
    }

    /// Loads a program for the function of this hook.
    fn load_on_function(&mut self, hook: &'static Hook) -> Result<(), CaptureError> {
        let Self { bpf, btf, .. } = self;
        let program = bpf.program_mut(hook.program).ok_or(missing(hook))?;
        load(program, hook, btf).map_err(|source| refused(hook, "load", source))?;
        if let Ok(fd) = program.fd() {
            let _ = self.programs.add(hook, fd); // as in `load_all`
        }
        Ok(())
    }

    /// Attaches a loaded program.
    fn attach(&mut self, hook: &'static Hook) -> Result<(), CaptureError> {
        let program = self.bpf.program_mut(hook.program).ok_or(missing(hook))?;
        let link = match hook.point {
            Point::Btf(_) => attach_btf(program),
            Point::Perf(name) => attach_perf(program, name),
            Point::Fexit(_) => attach_fexit(program),
        };
        let link = link.map_err(|source| refused(hook, "attach", source))?;
        self.links.push((hook, link));
        Ok(())
    }

    /// Detaches all programs but the backups, as if the kernel skipped each run of the others. Only
    /// tests do so.
    pub fn detach_all_but_backups(&mut self) {
        self.links.retain(|(hook, _)| hook.is_backup);
    }
}

/// Loads programs on all CPUs. The calling thread takes part; if the kernel allows no further
/// thread, as after the lock-down, the calling thread loads all programs.
fn load_side_by_side(
    programs: Vec<(&'static Hook, &mut Program)>,
    btf: &Btf,
) -> Result<(), CaptureError> {
    let helpers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(programs.len())
        .saturating_sub(1);
    let left = Mutex::new(programs.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((hook, program)) = next() {
            load(program, hook, btf).map_err(|source| refused(hook, "load", source))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (0..helpers)
            .filter_map(|_| {
                let builder = thread::Builder::new().name("verify".into());
                builder.spawn_scoped(scope, work).ok()
            })
            .collect();
        let mut outcome = work();
        for helper in helpers {
            match helper.join() {
                Ok(done) => outcome = outcome.and(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcome
    })
}

fn load(program: &mut Program, hook: &Hook, btf: &Btf) -> Result<(), ProgramError> {
    match hook.point {
        Point::Btf(name) => <&mut BtfTracePoint>::try_from(program)?.load(name, btf),
        Point::Perf(_) => <&mut TracePoint>::try_from(program)?.load(),
        Point::Fexit(function) => load_fexit(program, function, btf),
    }
}

/// Loads a program for a function. A link keeps the program of the function before alive.
fn load_fexit(program: &mut Program, function: &str, btf: &Btf) -> Result<(), ProgramError> {
    let program: &mut FExit = program.try_into()?;
    if program.fd().is_ok() {
        program.unload()?;
    }
    program.load(function, btf)
}

fn attach_btf(program: &mut Program) -> Result<Link, ProgramError> {
    let program: &mut BtfTracePoint = program.try_into()?;
    let id = program.attach()?;
    program.take_link(id).map(Link::Btf)
}

fn attach_perf(program: &mut Program, name: &str) -> Result<Link, ProgramError> {
    let program: &mut TracePoint = program.try_into()?;
    let id = program.attach("syscalls", name)?;
    program.take_link(id).map(Link::Perf)
}

fn attach_fexit(program: &mut Program) -> Result<Link, ProgramError> {
    let program: &mut FExit = program.try_into()?;
    let id = program.attach()?;
    program.take_link(id).map(Link::Fexit)
}

fn missing(hook: &Hook) -> CaptureError {
    CaptureError::Missing {
        what: "program",
        name: hook.program,
    }
}

fn refused(hook: &Hook, action: &'static str, source: ProgramError) -> CaptureError {
    CaptureError::Program {
        action,
        program: hook.program,
        hook: hook.point.name(),
        source: Box::new(source),
    }
}
