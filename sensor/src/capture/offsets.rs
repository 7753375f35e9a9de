//! The table of offsets, from the running kernel's BTF.

use std::{fs, path::Path};

use sensor_ebpf::{ABSENT, Offsets};

use super::{CaptureError, btf::Btf};

/// Where the kernel shows its types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// Modules with types that the programs use, if they are not built in.
const MODULES: &[&str] = &["/sys/kernel/btf/overlay"];

/// Finds every offset. A member that may be absent and is, is [`ABSENT`].
///
/// # Errors
/// If there is no BTF, or a member that must be there is not.
pub(super) fn offsets() -> Result<Offsets, CaptureError> {
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
                    kernel: rustix::system::uname()
                        .release()
                        .to_string_lossy()
                        .into_owned(),
                    member: paths.join("` or `"),
                });
            }
        }
    }
    Ok(offsets)
}

fn find(vmlinux: &Btf, modules: &[Btf], paths: &[&str]) -> Result<Option<u32>, CaptureError> {
    for path in paths {
        let places =
            std::iter::once((vmlinux, None)).chain(modules.iter().map(|m| (m, Some(vmlinux))));
        for (btf, base) in places {
            if let Some(offset) = btf
                .offset_of(path, base)
                .map_err(|e| bad(Path::new(VMLINUX), &e))?
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
    Btf::parse(data, base).map_err(|e| bad(path, &e))
}

fn bad(path: &Path, error: &super::btf::BtfError) -> CaptureError {
    CaptureError::BadBtf {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_every_member_that_must_be_there() {
        let offsets = offsets().expect("all offsets");
        assert_ne!(offsets.task_tgid, 0);
        assert_ne!(offsets.kernfs_node_parent, ABSENT);
    }
}
