//! Fills the table of offsets from the running kernel's BTF.

use std::{collections::BTreeSet, fs, path::Path};

use sensor_ebpf::{ABSENT, Offsets};

use super::{
    CaptureError, btf::Btf, hook_table::HOOKS, hooks::Point, kernel_functions::KernelFunctions,
    preempt::preempted,
};

/// The kernel's BTF.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// BTF of the modules with types that the programs use, if these are not built in.
const MODULES: &[&str] = &["/sys/kernel/btf/overlay"];

/// What the programs need to know about the running kernel.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The offsets of members.
    pub(super) offsets: Offsets,
    /// Where the saved registers are on a task's stack; 0 where the kernel has a helper for them.
    pub(super) regs_on_stack: u32,
    /// The kernel functions that the programs call.
    pub(super) kernel_functions: KernelFunctions,
    /// The hooks on which the kernel can preempt programs, and then skips them for other tasks; bits
    /// of [`preempted`].
    pub(super) preempted: u32,
    /// The functions of [`HOOKS`] that the kernel has.
    pub(super) functions: BTreeSet<&'static str>,
}

/// Finds every offset. An optional member that this kernel lacks is [`ABSENT`].
///
/// # Errors
/// If the kernel has no BTF, or lacks a required member.
pub(super) fn layout() -> Result<Layout, CaptureError> {
    let vmlinux = read(Path::new(VMLINUX), None)?;
    let modules: Vec<Btf> = MODULES
        .iter()
        .filter_map(|path| read(Path::new(path), Some(&vmlinux)).ok())
        .collect();
    let mut offsets = Offsets::ZERO;
    for (paths, optional, set) in Offsets::PATHS {
        let found = find(&vmlinux, &modules, paths)?;
        match found {
            Some(offset) => set(&mut offsets, offset),
            None if *optional => set(&mut offsets, ABSENT),
            None => {
                return Err(CaptureError::NoMember {
                    kernel: release(),
                    member: paths.join("` or `"),
                });
            }
        }
    }
    Ok(Layout {
        offsets,
        regs_on_stack: regs_on_stack(&vmlinux)?,
        kernel_functions: KernelFunctions::of(&vmlinux).map_err(|e| bad(Path::new(VMLINUX), e))?,
        preempted: preempted(kernel_version()),
        functions: functions(&vmlinux)?,
    })
}

/// `THREAD_SIZE` of x86-64 and of arm64 with pages of 4 KiB (BTF does not have this number).
const THREAD_SIZE: u32 = 16 << 10;
/// The first kernel with `bpf_task_pt_regs`.
const HAS_TASK_PT_REGS: (u32, u32) = (5, 15);

/// Where the saved registers are on a task's stack: at its end. 0 for kernels since 5.15, which
/// have a helper for them.
fn regs_on_stack(vmlinux: &Btf) -> Result<u32, CaptureError> {
    if kernel_version() >= HAS_TASK_PT_REGS {
        return Ok(0);
    }
    let size = vmlinux
        .size_of("pt_regs")
        .map_err(|e| bad(Path::new(VMLINUX), e))?;
    size.and_then(|size| THREAD_SIZE.checked_sub(size))
        .ok_or_else(|| CaptureError::NoMember {
            kernel: release(),
            member: "pt_regs".into(),
        })
}

/// The functions of system calls at which programs may run, and that the kernel has.
fn functions(vmlinux: &Btf) -> Result<BTreeSet<&'static str>, CaptureError> {
    let names = HOOKS.iter().filter_map(|hook| match hook.point {
        Point::Fexit(name) => Some(name),
        Point::Btf(_) | Point::Perf(_) => None,
    });
    vmlinux
        .functions(&names.collect())
        .map_err(|e| bad(Path::new(VMLINUX), e))
}

/// The running kernel's version, major and minor.
fn kernel_version() -> (u32, u32) {
    let release = release();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

fn find(vmlinux: &Btf, modules: &[Btf], paths: &[&str]) -> Result<Option<u32>, CaptureError> {
    for path in paths {
        let places =
            std::iter::once((vmlinux, None)).chain(modules.iter().map(|m| (m, Some(vmlinux))));
        for (btf, base) in places {
            if let Some(offset) = btf
                .offset_of(path, base)
                .map_err(|e| bad(Path::new(VMLINUX), e))?
            {
                return Ok(Some(offset));
            }
        }
    }
    Ok(None)
}

fn read(path: &Path, base: Option<&Btf>) -> Result<Btf, CaptureError> {
    let data = fs::read(path).map_err(|source| CaptureError::NoBtf {
        path: path.to_owned(),
        source,
    })?;
    Btf::parse(data, base).map_err(|e| bad(path, e))
}

fn bad(path: &Path, error: super::btf::BtfError) -> CaptureError {
    CaptureError::BadBtf {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_every_required_member() {
        let offsets = layout().expect("all offsets").offsets;
        assert_ne!(offsets.task_tgid, 0);
        assert_ne!(offsets.kernfs_node_parent, ABSENT);
    }
}
