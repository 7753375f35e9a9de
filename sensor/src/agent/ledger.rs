//! The ledger of system calls: the kernel side's counts, and what became of the records.

use sensor_ebpf::Kind;
use telemetry::Ledger;

/// Why an event that entered the ring buffer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its record could not be decoded.
    Undecodable,
}

/// Names of the causes, in the order of their numbers.
const CAUSES: &[&str] = &["undecodable"];

/// An empty ledger.
#[must_use]
pub fn ledger() -> Ledger {
    let kinds = Kind::ALL.into_iter().map(|kind| telemetry::Kind {
        name: kind.name(),
        buffer: match kind {
            Kind::Exec | Kind::ExecFailed => "execve",
            Kind::Connect => "connect",
        },
    });
    Ledger::new("syscall", kinds, CAUSES)
}
