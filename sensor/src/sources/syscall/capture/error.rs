//! Why the kernel side cannot run: what was tried, on what, and what to do.

use std::{io, path::PathBuf};

use crate::logging::explain;

/// Why the kernel side cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel's BTF cannot be read.
    #[error(
        "cannot read the kernel's type information {path}: {source}; the kernel must be built with CONFIG_DEBUG_INFO_BTF=y (5.10 or later)"
    )]
    NoBtf {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The kernel's BTF is not valid.
    #[error("cannot use the kernel's type information {path}: {reason}")]
    BadBtf {
        /// The file.
        path: PathBuf,
        /// What is wrong with the BTF.
        reason: String,
    },
    /// No structure of this kernel has a member that the programs need.
    #[error(
        "kernel {kernel} has no `{member}` in its type information: this version of the sensor does not know this kernel; please report both"
    )]
    NoMember {
        /// The kernel's release, as `uname -r` prints it.
        kernel: String,
        /// The member, with its names in other kernels.
        member: String,
    },
    /// The kernel refuses the eBPF object.
    #[error("cannot load the eBPF object: {}", refusal(.0))]
    Load(#[source] Box<aya::EbpfError>),
    /// The object has no program or map of that name.
    #[error("the eBPF object has no {what} `{name}`: it was built from other sources")]
    Missing {
        /// "program" or "map".
        what: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// The kernel refuses to load or attach a program.
    #[error("cannot {action} the eBPF program `{program}` ({hook}): {}", refusal(.source))]
    Program {
        /// "load" or "attach".
        action: &'static str,
        /// The program.
        program: &'static str,
        /// The hook of the program.
        hook: &'static str,
        /// The kernel's error.
        source: Box<aya::programs::ProgramError>,
    },
    /// The kernel refuses to read or write a map.
    #[error("cannot use the eBPF map `{map}`: {source}")]
    Map {
        /// The map.
        map: &'static str,
        /// The kernel's error.
        source: aya::maps::MapError,
    },
    /// The kernel refuses to freeze a map.
    #[error("cannot freeze the eBPF map `{map}`: {source}; somebody else may be writing to it")]
    Freeze {
        /// The map.
        map: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
    /// The kernel refuses to map a map into memory.
    #[error("cannot map the eBPF map `{map}` into memory: {source}; Linux 5.10 or later can")]
    Memory {
        /// The map.
        map: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
    /// The kernel preempts programs on functions, and has no function by which a program keeps its
    /// CPU.
    #[error(
        "this kernel may preempt programs on its functions, and has no `bpf_preempt_disable` (Linux 6.10) to forbid preemption"
    )]
    Preempted,
    /// The kernel does not report the facts of a program.
    #[error("cannot ask the kernel about the eBPF program `{program}`: {source}")]
    Facts {
        /// The program.
        program: String,
        /// The kernel's error.
        source: Box<aya::programs::ProgramError>,
    },
    /// The configuration sets a limit of argv beyond the programs' scratch memory.
    #[error(
        "sensor.capture.argv_limit is {wanted}, and the programs were loaded with room for {capacity} bytes of argv: restart the sensor, or stay below that"
    )]
    Room {
        /// Bytes of argv that the configuration sets.
        wanted: u32,
        /// Bytes of argv that fit into scratch memory.
        capacity: u32,
    },
    /// The kernel cannot wait for the ring buffer.
    #[error("cannot wait for the ring buffer: {0}")]
    Wait(#[source] io::Error),
}

/// The text of an error with its causes; of a refused permission, wherever in the chain of causes
/// it is, only that and what the kernel asks for.
fn refusal(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::PermissionDenied
        {
            return format!(
                "{io}; the kernel asks for root outside of user namespaces, or for CAP_BPF and CAP_PERFMON (before Linux 5.11 also CAP_SYS_RESOURCE)"
            );
        }
        cause = error.source();
    }
    explain(error)
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
    fn the_error_of_a_refused_permission_names_the_capabilities() {
        let text = load(libc::EPERM);
        assert!(text.contains("CAP_BPF"), "{text}");
        assert_eq!(text.matches("not permitted").count(), 1, "{text}");
    }

    #[test]
    fn other_errors_name_no_capabilities() {
        let text = load(libc::ENOMEM);
        assert!(!text.contains("CAP_"), "{text}");
        assert_eq!(text.matches("EVENTS").count(), 1, "{text}");
    }
}
