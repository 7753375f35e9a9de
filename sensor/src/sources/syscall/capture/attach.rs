//! Loads the eBPF programs that the rules need, and attaches them to their hooks.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
};

use aya::{
    Btf,
    programs::{
        BtfTracePoint, Program, ProgramError, ProgramFd, TracePoint, tp_btf::BtfTracePointLink,
        trace_point::TracePointLink,
    },
};

use super::{
    Capture, CaptureError, CaptureRequest, HookMode,
    hooks::{HOOKS, Hook, LINEAGE},
};

/// A program's attachment to its hook. Dropping a link detaches the program.
#[expect(dead_code, reason = "held for their drop, which detaches")]
pub(super) enum Link {
    Btf(BtfTracePointLink),
    Perf(TracePointLink),
}

impl Capture {
    /// Attaches the programs that track lineage.
    pub(super) fn attach_lineage(&mut self) -> Result<(), CaptureError> {
        let backups = self.backups;
        let needed = LINEAGE.iter().filter(|hook| backups || !hook.is_backup);
        self.attach_all(&needed.collect::<Vec<_>>())
    }

    /// Attaches the hooks that `request` needs and detaches all others.
    pub(super) fn attach_in_mode(&mut self, request: &CaptureRequest) -> Result<(), CaptureError> {
        self.set(request)?;
        let needed: Vec<_> = self.needed(request, self.mode).collect();
        self.attach_all(&needed)?;
        let needed = |attached: &Hook| needed.iter().any(|hook| hook.is(attached));
        self.links.retain(|(hook, _)| needed(hook));
        Ok(())
    }

    /// The hooks that `request` needs in a mode.
    pub(super) fn needed<'a>(
        &'a self,
        request: &'a CaptureRequest,
        mode: HookMode,
    ) -> impl Iterator<Item = &'static Hook> + 'a {
        let needed = move |hook: &&Hook| hook.needed(request, mode, self.backups);
        HOOKS.iter().filter(needed)
    }

    /// Attaches those of these hooks that are not attached yet.
    fn attach_all(&mut self, hooks: &[&'static Hook]) -> Result<(), CaptureError> {
        self.load_all(hooks)?;
        for hook in hooks {
            let mut links = self.links.iter();
            if !links.any(|(attached, _)| attached.is(hook)) {
                self.attach(hook)?;
            }
        }
        Ok(())
    }

    /// Has the kernel verify the programs that are not loaded yet, several at a time: verification
    /// takes most of the time of a start.
    fn load_all(&mut self, hooks: &[&'static Hook]) -> Result<(), CaptureError> {
        let hook_of = |name: &str| hooks.iter().find(|hook| hook.program == name).copied();
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
        let missing = CaptureError::Missing {
            what: "program",
            name: hook.program,
        };
        let program = self.bpf.program(hook.program);
        program.and_then(|program| program.fd().ok()).ok_or(missing)
    }

    /// Attaches a loaded program.
    fn attach(&mut self, hook: &'static Hook) -> Result<(), CaptureError> {
        let program = self
            .bpf
            .program_mut(hook.program)
            .ok_or(CaptureError::Missing {
                what: "program",
                name: hook.program,
            })?;
        let link = match hook.category {
            None => attach_btf(program),
            Some(category) => attach_perf(program, category, hook.tracepoint),
        };
        let link = link.map_err(|source| refused(hook, "attach", source))?;
        self.links.push((hook, link));
        Ok(())
    }

    /// Detaches all programs but the backups, so that these do all the work.
    #[cfg(test)]
    pub(super) fn detach_all_but_backups(&mut self) {
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
    if hook.category.is_some() {
        let program: &mut TracePoint = program.try_into()?;
        return program.load();
    }
    let program: &mut BtfTracePoint = program.try_into()?;
    program.load(hook.tracepoint, btf)
}

fn attach_btf(program: &mut Program) -> Result<Link, ProgramError> {
    let program: &mut BtfTracePoint = program.try_into()?;
    let id = program.attach()?;
    program.take_link(id).map(Link::Btf)
}

fn attach_perf(program: &mut Program, category: &str, name: &str) -> Result<Link, ProgramError> {
    let program: &mut TracePoint = program.try_into()?;
    let id = program.attach(category, name)?;
    program.take_link(id).map(Link::Perf)
}

fn refused(hook: &Hook, action: &'static str, source: ProgramError) -> CaptureError {
    CaptureError::Program {
        action,
        program: hook.program,
        hook: hook.tracepoint,
        source: Box::new(source),
    }
}
