//! Why the kernel side cannot run: what was tried, on what, and what to do.

use std::{io, path::PathBuf};

/// An error of this module.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel's BTF cannot be read.
    #[error(
        "cannot read the kernel's type information {path}: {source}; the kernel must be built with CONFIG_DEBUG_INFO_BTF=y (5.10 or later)"
    )]
    NoBtf {
        /// File that was tried.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The kernel's BTF is not what it should be.
    #[error("cannot use the kernel's type information {path}: {reason}")]
    BadBtf {
        /// File that was read.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A member that the programs need is in no structure of this kernel.
    #[error(
        "kernel {kernel} has no `{member}` in its type information: this version of the sensor does not know this kernel; please report both"
    )]
    NoMember {
        /// Its release, as `uname -r` prints it.
        kernel: String,
        /// The member, and its other names if it has some.
        member: String,
    },
    /// The eBPF object cannot be loaded.
    #[error("cannot load the eBPF object: {0}{hint}", hint = permission_hint(.0))]
    Load(#[source] Box<aya::EbpfError>),
    /// A program or a map of that name is not in the object.
    #[error("the eBPF object has no {what} `{name}`: it was built from other sources")]
    Missing {
        /// "program" or "map".
        what: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// A program cannot be loaded or attached.
    #[error("cannot {action} the eBPF program `{program}` ({hook}): {source}{hint}", hint = permission_hint(.source))]
    Program {
        /// "load" or "attach".
        action: &'static str,
        /// The program.
        program: &'static str,
        /// What it hooks.
        hook: &'static str,
        /// Why not.
        source: Box<aya::programs::ProgramError>,
    },
    /// A map cannot be read or written.
    #[error("cannot use the eBPF map `{map}`: {source}")]
    Map {
        /// The map.
        map: &'static str,
        /// Why not.
        source: aya::maps::MapError,
    },
    /// A map cannot be kept from being written by others.
    #[error("cannot freeze the eBPF map `{map}`: {source}; somebody else may be writing to it")]
    Freeze {
        /// The map.
        map: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A map cannot be mapped into memory.
    #[error("cannot map the eBPF map `{map}` into memory: {source}; Linux 5.10 or later can")]
    Memory {
        /// The map.
        map: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The kernel does not tell about a program.
    #[error("cannot ask the kernel about the eBPF program `{program}`: {source}")]
    Facts {
        /// The program.
        program: String,
        /// Why not.
        source: Box<aya::programs::ProgramError>,
    },
    /// Rules want more of argv than the programs have room for.
    #[error(
        "sensor.capture.argv_limit is {wanted}, and the programs were loaded with room for {capacity} bytes of argv: restart the sensor, or stay below that"
    )]
    Room {
        /// Bytes that are wanted.
        wanted: u32,
        /// Bytes that there is room for.
        capacity: u32,
    },
    /// The ring buffer cannot be waited for.
    #[error("cannot wait for the ring buffer: {0}")]
    Wait(#[source] io::Error),
}

/// What to do about a refused permission, wherever in the chain of causes it is.
fn permission_hint(error: &(dyn std::error::Error + 'static)) -> &'static str {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
        {
            return "; run as root, or with CAP_BPF and CAP_PERFMON (before Linux 5.11 also CAP_SYS_RESOURCE)";
        }
        cause = error.source();
    }
    ""
}

#[cfg(test)]
mod tests {
    use aya::{EbpfError, maps::MapError};

    use super::*;

    fn load(errno: i32) -> String {
        let refused = MapError::CreateError {
            name: "EVENTS".into(),
            io_error: io::Error::from_raw_os_error(errno),
        };
        CaptureError::Load(Box::new(EbpfError::MapError(refused))).to_string()
    }

    #[test]
    fn a_refused_permission_says_which_rights_are_needed() {
        assert!(
            load(libc::EPERM).contains("CAP_BPF"),
            "{}",
            load(libc::EPERM)
        );
    }

    #[test]
    fn what_is_no_matter_of_rights_does_not_speak_of_them() {
        assert!(
            !load(libc::ENOMEM).contains("CAP_"),
            "{}",
            load(libc::ENOMEM)
        );
    }
}
