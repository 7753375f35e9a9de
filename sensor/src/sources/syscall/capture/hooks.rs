//! What a hook of a program is, and whether a rule set needs the hook.

use std::collections::BTreeSet;

use sensor_ebpf::{BackedUp, Kinds};

use super::CaptureRequest;

/// How system calls are hooked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookMode {
    /// The first of the other modes, in their order, that the kernel allows.
    #[default]
    Auto,
    /// The exits of the kernel's functions for system calls. This mode costs other system calls
    /// nothing, and sees 32-bit system calls too, but no call that seccomp refused.
    Fexit,
    /// Per-syscall tracepoints, through perf.
    Perf,
    /// The raw tracepoint at the exit of all system calls. This mode needs no tracefs and no perf
    /// events, and sees 32-bit system calls too.
    Raw,
}

impl HookMode {
    /// The modes that [`Self::Auto`] tries, in that order.
    pub const TRIED: [Self; 3] = [Self::Fexit, Self::Perf, Self::Raw];

    /// The name of the mode in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fexit => "fexit",
            Self::Perf => "perf",
            Self::Raw => "raw",
        }
    }

    /// Whether the hooks of this mode see 32-bit system calls.
    #[must_use]
    pub fn sees_compat(self) -> bool {
        matches!(self, Self::Fexit | Self::Raw)
    }
}

/// The point in the kernel at which a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A BTF tracepoint.
    Btf(&'static str),
    /// A tracepoint of the category `syscalls`, through perf.
    Perf(&'static str),
    /// The exit of a function.
    Fexit(&'static str),
}

impl Point {
    /// The name of the tracepoint or function.
    #[must_use]
    pub fn name(self) -> &'static str {
        let (Self::Btf(name) | Self::Perf(name) | Self::Fexit(name)) = self;
        name
    }
}

/// One program on one hook; a program may have more than one hook.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Name of the program.
    pub program: &'static str,
    /// The point at which the program runs.
    pub point: Point,
    /// The hook mode that has this hook; none if all modes have it.
    pub mode: Option<HookMode>,
    /// The kinds of events that need this hook; none if the sensor always needs it.
    pub kinds: Option<Kinds>,
    /// The number under which the programs count runs of the backup.
    pub number: BackedUp,
    /// Whether the program is the backup of the program with that number.
    pub is_backup: bool,
    /// Whether the hook also fires in interrupts, where no event happens.
    pub in_interrupts: bool,
    /// Whether some kernels lack the point, since they have no such system calls.
    pub optional: bool,
    /// The function that the kernel calls in place of this one, if the kernel has that function.
    pub replaced_by: Option<&'static str>,
}

impl Hook {
    /// Whether `other` is the same program on the same hook.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.program, self.point) == (other.program, other.point)
    }

    /// Whether the program runs at the exit of a function.
    pub(super) fn is_on_function(&self) -> bool {
        matches!(self.point, Point::Fexit(_))
    }

    /// Whether `request` needs this hook in a mode ([`HookMode::Auto`] is already resolved), on a
    /// kernel where the programs on some hooks have backups (bits of
    /// [`sensor_ebpf::preempted`]).
    pub(super) fn needed(&self, request: &CaptureRequest, mode: HookMode, backups: u32) -> bool {
        self.kinds
            .is_none_or(|kinds| kinds.intersects(request.reach.kinds()))
            && (self.has_backup(backups) || !self.is_backup)
            && self.mode.is_none_or(|of| of == mode)
    }

    /// Whether a kernel with these functions calls the hook's function.
    pub(super) fn is_there(&self, functions: &BTreeSet<&'static str>) -> bool {
        (!self.optional || functions.contains(self.point.name()))
            && !self
                .replaced_by
                .is_some_and(|name| functions.contains(name))
    }

    /// Whether the program has a backup, if the programs on some hooks have one.
    pub(super) fn has_backup(&self, backups: u32) -> bool {
        self.number.preempted() & backups != 0
    }
}
